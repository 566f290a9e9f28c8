/** From the options of a live instance of Better Auth to the model of a policy. Pure: it calls `authorize` of the roles only. */
import {
  type GrantList,
  grantListOf,
  MAX_NAME_LENGTH,
  type NamedGrants,
  type Pair,
  type PolicyModel,
  pairName,
  pairsOf,
  WILDCARD,
} from '@assent/policy-format/model';
import { AuthError, part } from './instance.ts';

/**
 * Reads the roles of an instance.
 * @throws {AuthError} with everything that cannot be exported.
 */
export function readAuth(instance: unknown, defaults: Defaults): ReadAuth {
  const plugins = part(part(instance, 'options'), 'plugins');
  const organization = optionsOf(plugins, 'organization');
  const admin = optionsOf(plugins, 'admin');
  if (organization === null && admin === null) {
    throw new AuthError(
      'has neither the organization plugin nor the admin plugin, so that there are no roles: add organization() or admin() ' +
        'of better-auth/plugins to its plugins',
    );
  }
  const read = new RoleReader();

  const access = part(organization, 'ac');
  const statements =
    organization === null
      ? []
      : read.statements(part(access, 'statements') ?? defaults.organization.statements, 'the organization plugin');
  const roles = organization === null ? {} : (part(organization, 'roles') ?? defaults.organization.roles);
  const organizationRoles = read.roles('organization', roles, statements);
  if (organization === null) {
    read.notes.add(
      'there is no organization plugin: the policy has roles of the platform only, and grants nothing to members',
    );
  }

  const platformStatements =
    admin === null
      ? []
      : read.statements(part(part(admin, 'ac'), 'statements') ?? defaults.admin.statements, 'the admin plugin');
  const adminRoles = admin === null ? {} : (part(admin, 'roles') ?? defaults.admin.roles);
  const defaultRoles = String(part(admin, 'defaultRole') || 'user').split(',');
  const [defaultPlatformRole = 'user', ...others] = defaultRoles;
  if (others.length > 0) {
    read.notes.add(`left out: ${others.join(', ')} of defaultRole, since Assent has one default role`);
  }
  const inOrganizations = new Set(
    [...statements, ...organizationRoles.flatMap(([, grants]) => pairsOf(grants))].map(pairName),
  );
  const platformRoles = limitPlatform(
    read.roles('platform', adminRoles, platformStatements),
    inOrganizations,
    defaultRoles,
    read.notes,
  );

  const adminUserIds = part(admin, 'adminUserIds') ?? [];
  if (!Array.isArray(adminUserIds)) read.problems.push('adminUserIds of the admin plugin is not a list of texts');
  if (read.problems.length > 0) throw new AuthError(read.problems.join('\n'));
  return {
    policy: {
      statements: read.fitting([...statements, ...platformStatements]),
      organizationRoles,
      platformRoles,
      adminUserIds: idsOf(adminUserIds, read.notes),
      defaultPlatformRole,
      scopes: [],
    },
    // Without an access control of the application, Better Auth ignores dynamic roles.
    dynamicRoles:
      organization === null
        ? null
        : part(part(organization, 'dynamicAccessControl'), 'enabled') === true && access !== undefined,
    notes: [...read.notes],
  };
}

/** Better Auth's own roles and statements, which apply where an application sets none. */
export interface Defaults {
  readonly organization: { readonly roles: unknown; readonly statements: unknown };
  readonly admin: { readonly roles: unknown; readonly statements: unknown };
}

export interface ReadAuth {
  readonly policy: PolicyModel;
  /** Whether organizations can have dynamic roles; null where there are no organizations. */
  readonly dynamicRoles: boolean | null;
  /** Everything that the policy leaves out, or that has another effect in Assent. */
  readonly notes: readonly string[];
}

/** The options of a plugin; null when the instance does not have the plugin. */
function optionsOf(plugins: unknown, id: string): unknown {
  const plugin: unknown = Array.isArray(plugins) ? plugins.find((one) => part(one, 'id') === id) : undefined;
  return plugin === undefined ? null : (part(plugin, 'options') ?? {});
}

/** Reads statements and roles; collects the reasons why something cannot be exported, and the notes. */
class RoleReader {
  readonly problems: string[] = [];
  readonly notes = new Set<string>();

  /** Statements as they are written; a problem for anything but lists of texts. */
  statements(value: unknown, what: string): readonly Pair[] {
    if (typeof value !== 'object' || value === null) {
      this.problems.push(`${what} has no statements; only what createAccessControl and newRole make can be exported`);
      return [];
    }
    return entriesOf(value).flatMap(([resource, actions]) => {
      if (isTexts(actions)) return actions.map((action): Pair => [resource, action]);
      this.problems.push(`${what}: the actions of ${JSON.stringify(resource)} are not a list of texts`);
      return [];
    });
  }

  /** @param vocabulary The pairs that each role is asked for, beside its own. */
  roles(kind: string, roles: unknown, vocabulary: readonly Pair[]): NamedGrants {
    return entriesOf(roles).flatMap(([name, role]) => {
      const pairs = this.#role(`the ${kind} role ${JSON.stringify(name)}`, role, vocabulary);
      if (!this.#fits(`the ${kind} role`, name)) return [];
      if (name.includes(',')) {
        this.notes.add(`left out: the ${kind} role ${JSON.stringify(name)}, which no user can have: commas part roles`);
        return [];
      }
      return [[name, this.fitting(pairs)]];
    });
  }

  /** The pairs that a policy can name; a note for each of the others. */
  fitting(pairs: readonly Pair[]): GrantList {
    return grantListOf(
      pairs.filter(([resource, action]) => this.#fits('the resource', resource) && this.#fits('the action', action)),
    );
  }

  #role(what: string, role: unknown, vocabulary: readonly Pair[]): readonly Pair[] {
    const count = this.problems.length;
    const pairs = this.statements(part(role, 'statements'), what);
    if (this.problems.length > count) return [];
    // A role that newRole did not make may decide by other things than its statements.
    const named = new Set(pairs.map(pairName));
    const odd = [...pairs, ...vocabulary].find((pair) => authorizes(role, pair) !== named.has(pairName(pair)));
    if (odd !== undefined) {
      this.problems.push(
        `${what} decides ${pairName(odd)} by a custom function, not by its statements; it cannot be exported`,
      );
    }
    return pairs;
  }

  #fits(what: string, name: string): boolean {
    const fault = faultOf(name);
    if (fault !== null) this.notes.add(`left out: ${what} ${JSON.stringify(name)}, which ${fault}`);
    return fault === null;
  }
}

/** Whether a role authorizes one action; null for a promise. An error counts as a denial, as in Better Auth. */
function authorizes(role: unknown, [resource, action]: Pair): boolean | null {
  try {
    const authorize: unknown = Reflect.get(Object(role), 'authorize');
    if (typeof authorize !== 'function') return false;
    const answer: unknown = authorize.call(role, { [resource]: [action] });
    return answer instanceof Promise ? null : part(answer, 'success') === true;
  } catch {
    return false;
  }
}

/** Why a policy cannot have a name; null when it can. */
function faultOf(name: string): string | null {
  if (name === '') return 'is empty';
  if (name.length > MAX_NAME_LENGTH) return `is longer than ${MAX_NAME_LENGTH} characters`;
  if (name.trim() !== name || /[\p{Cc}\p{Cs}]/u.test(name)) {
    return 'has spaces at its ends, control characters or half characters';
  }
  if (name.includes(':')) return 'has a colon';
  return name === WILDCARD ? 'is a wildcard to Assent, and a mere name to Better Auth' : null;
}

/**
 * Limits what a platform role grants: Better Auth's grants nothing in organizations, Assent's grants everywhere. Permissions
 * of organizations are left out of the default roles, and noted for the others.
 */
function limitPlatform(
  roles: NamedGrants,
  inOrganizations: ReadonlySet<string>,
  defaultRoles: readonly string[],
  notes: Set<string>,
): NamedGrants {
  return roles.map(([name, grants]) => {
    const shared = pairsOf(grants).filter((pair) => inOrganizations.has(pairName(pair)));
    if (shared.length === 0) return [name, grants];
    const which = shared.map(pairName).join(', ');
    if (!defaultRoles.includes(name)) {
      const some = shared.length > 4 ? `${shared.length} permissions of organizations` : which;
      notes.add(`the platform role ${name} grants ${some} in every organization: platform roles do in Assent`);
      return [name, grants];
    }
    notes.add(
      `left out: ${which} of the platform role ${name}, which every user has: Assent would grant it in every organization`,
    );
    return [name, grantListOf(pairsOf(grants).filter((pair) => !inOrganizations.has(pairName(pair))))];
  });
}

/** The ids of a list. A variable that is not set leaves an item that is no user's id. */
function idsOf(list: unknown, notes: Set<string>): readonly string[] {
  return (Array.isArray(list) ? list : []).flatMap((id: unknown, index): readonly string[] => {
    if (typeof id === 'string' && id !== '') return [id];
    const what = id === '' ? 'empty' : id === undefined || id === null ? String(id) : `a ${typeof id}`;
    notes.add(
      `left out: item ${index + 1} of adminUserIds, which is ${what} and no user's id; if it comes from a variable, set that and export again`,
    );
    return [];
  });
}

function entriesOf(value: unknown): readonly (readonly [string, unknown])[] {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : [];
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
