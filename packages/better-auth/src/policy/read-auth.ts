/** From a live instance of Better Auth to what a policy says. Pure: nothing of the instance is called but its roles. */
import { AuthError, part } from './instance.ts';
import { type Grants, grantsOf, type Pair, type PolicyModel, pairName, pairsOf, type Roles } from './model.ts';

/** Better Auth's own roles and statements, in force where an application sets none. */
export interface Defaults {
  readonly organization: { readonly roles: unknown; readonly statements: unknown };
  readonly admin: { readonly roles: unknown; readonly statements: unknown };
}

export interface ReadAuth {
  readonly policy: PolicyModel;
  /** Whether organizations can have roles of their own; null where there are no organizations. */
  readonly dynamicRoles: boolean | null;
  /** What the policy cannot say, or says with consequences. */
  readonly notes: readonly string[];
}

const entriesOf = (value: unknown): readonly (readonly [string, unknown])[] =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : [];
const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'string');

/** Why a policy cannot have a name; null when it can. */
const unfit = (name: string): string | null =>
  name === ''
    ? 'is empty'
    : name.length > 120
      ? 'is longer than 120 characters'
      : name.trim() !== name || /[\p{Cc}\p{Cs}]/u.test(name)
        ? 'has spaces at its ends, control characters or half characters'
        : name.includes(':')
          ? 'has a colon'
          : name === '*'
            ? 'is a wildcard to Assent, and a mere name to Better Auth'
            : null;

const createReader = () => {
  const problems: string[] = [];
  const notes = new Set<string>();

  const fits = (what: string, name: string): boolean => {
    const why = unfit(name);
    if (why !== null) notes.add(`left out: ${what} ${JSON.stringify(name)}, which ${why}`);
    return why === null;
  };
  /** Statements as they are written; a problem for anything but lists of texts. */
  const statementsOf = (value: unknown, what: string): readonly Pair[] => {
    if (typeof value !== 'object' || value === null) {
      problems.push(`${what} has no statements; only what createAccessControl and newRole make can be exported`);
      return [];
    }
    return entriesOf(value).flatMap(([resource, actions]) => {
      if (isTexts(actions)) return actions.map((action): Pair => [resource, action]);
      problems.push(`${what}: the actions of ${JSON.stringify(resource)} are not a list of texts`);
      return [];
    });
  };
  const fitting = (pairs: readonly Pair[]): Grants =>
    grantsOf(pairs.filter(([resource, action]) => fits('the resource', resource) && fits('the action', action)));

  /** What a role answers when it is asked for one action; whatever throws grants nothing. */
  const answer = (role: unknown, [resource, action]: Pair): unknown => {
    try {
      const authorize: unknown = Reflect.get(Object(role), 'authorize');
      if (typeof authorize !== 'function') return false;
      const answered: unknown = authorize.call(role, { [resource]: [action] });
      return answered instanceof Promise ? null : part(answered, 'success') === true;
    } catch {
      return false;
    }
  };
  const readRole = (what: string, role: unknown, vocabulary: readonly Pair[]): readonly Pair[] => {
    const count = problems.length;
    const pairs = statementsOf(part(role, 'statements'), what);
    if (problems.length > count) return [];
    // A role of somebody's own making may decide by other things than its statements.
    const named = new Set(pairs.map(pairName));
    const odd = [...pairs, ...vocabulary].find((pair) => answer(role, pair) !== named.has(pairName(pair)));
    if (odd !== undefined) {
      problems.push(
        `${what} decides ${pairName(odd)} by a function of its own, not by its statements; it cannot be exported`,
      );
    }
    return pairs;
  };
  const readRoles = (kind: string, roles: unknown, vocabulary: readonly Pair[]): Roles =>
    entriesOf(roles).flatMap(([name, role]) => {
      const pairs = readRole(`the ${kind} role ${JSON.stringify(name)}`, role, vocabulary);
      if (!fits(`the ${kind} role`, name)) return [];
      if (name.includes(',')) {
        notes.add(`left out: the ${kind} role ${JSON.stringify(name)}, which nobody can have: commas part roles`);
        return [];
      }
      return [[name, fitting(pairs)]];
    });
  return { problems, notes, statementsOf, fitting, readRoles };
};

/** Better Auth's platform roles grant nothing in organizations; Assent's grant everywhere. */
const limitPlatform = (
  roles: Roles,
  inOrganizations: ReadonlySet<string>,
  everybodys: readonly string[],
  notes: Set<string>,
): Roles =>
  roles.map(([name, grants]) => {
    const shared = pairsOf(grants).filter((pair) => inOrganizations.has(pairName(pair)));
    if (shared.length === 0) return [name, grants];
    const which = shared.map(pairName).join(', ');
    if (!everybodys.includes(name)) {
      const some = shared.length > 4 ? `${shared.length} permissions of organizations` : which;
      notes.add(`the platform role ${name} grants ${some} in every organization: platform roles do in Assent`);
      return [name, grants];
    }
    notes.add(
      `left out: ${which} of the platform role ${name}, which everybody has: Assent would grant it in every organization`,
    );
    return [name, grantsOf(pairsOf(grants).filter((pair) => !inOrganizations.has(pairName(pair))))];
  });

/** The ids of a list; a variable that is not set leaves one that nobody has. */
const idsOf = (list: unknown, notes: Set<string>): readonly string[] =>
  (Array.isArray(list) ? list : []).flatMap((id: unknown, index): readonly string[] => {
    if (typeof id === 'string' && id !== '') return [id];
    const what = id === '' ? 'empty' : id === undefined || id === null ? String(id) : `a ${typeof id}`;
    notes.add(
      `left out: item ${index + 1} of adminUserIds, which is ${what} and nobody's id; if it comes from a variable, set that and export again`,
    );
    return [];
  });

/**
 * Reads the roles of an instance.
 * @throws {AuthError} with everything that cannot be exported.
 */
export const readAuth = (instance: unknown, defaults: Defaults): ReadAuth => {
  const plugins = part(part(instance, 'options'), 'plugins');
  const optionsOf = (id: string): unknown => {
    const plugin: unknown = Array.isArray(plugins) ? plugins.find((one) => part(one, 'id') === id) : undefined;
    return plugin === undefined ? null : (part(plugin, 'options') ?? {});
  };
  const organization = optionsOf('organization');
  const admin = optionsOf('admin');
  if (organization === null && admin === null) {
    throw new AuthError(
      'has neither the organization plugin nor the admin plugin, so that there are no roles: add organization() or admin() ' +
        'of better-auth/plugins to its plugins',
    );
  }
  const { problems, notes, statementsOf, fitting, readRoles } = createReader();

  const access = part(organization, 'ac');
  const statements =
    organization === null
      ? []
      : statementsOf(part(access, 'statements') ?? defaults.organization.statements, 'the organization plugin');
  const roles = organization === null ? {} : (part(organization, 'roles') ?? defaults.organization.roles);
  const organizationRoles = readRoles('organization', roles, statements);
  if (organization === null) {
    notes.add(
      'there is no organization plugin: the policy has roles of the platform only, and grants nothing to members',
    );
  }

  const platformStatements =
    admin === null
      ? []
      : statementsOf(part(part(admin, 'ac'), 'statements') ?? defaults.admin.statements, 'the admin plugin');
  const adminRoles = admin === null ? {} : (part(admin, 'roles') ?? defaults.admin.roles);
  const defaultRoles = String(part(admin, 'defaultRole') || 'user').split(',');
  const [defaultPlatformRole = 'user', ...others] = defaultRoles;
  if (others.length > 0) notes.add(`left out: ${others.join(', ')} of defaultRole, since Assent has one default role`);
  const inOrganizations = new Set(
    [...statements, ...organizationRoles.flatMap(([, grants]) => pairsOf(grants))].map(pairName),
  );
  const platformRoles = limitPlatform(
    readRoles('platform', adminRoles, platformStatements),
    inOrganizations,
    defaultRoles,
    notes,
  );

  const adminUserIds = part(admin, 'adminUserIds') ?? [];
  if (!Array.isArray(adminUserIds)) problems.push('adminUserIds of the admin plugin is not a list of texts');
  if (problems.length > 0) throw new AuthError(problems.join('\n'));
  return {
    policy: {
      statements: fitting([...statements, ...platformStatements]),
      organizationRoles,
      platformRoles,
      adminUserIds: idsOf(adminUserIds, notes),
      defaultPlatformRole,
    },
    // Without access control of its own Better Auth does not look at them.
    dynamicRoles:
      organization === null
        ? null
        : part(part(organization, 'dynamicAccessControl'), 'enabled') === true && access !== undefined,
    notes: [...notes],
  };
};
