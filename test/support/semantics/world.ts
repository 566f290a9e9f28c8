/** A model made real: in Better Auth on PostgreSQL by its own API, and in Assent by the policy that is exported from it. */

import { writePolicy } from '@assent/policy-format';
import { create } from '@bufbuild/protobuf';
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { admin, organization } from 'better-auth/plugins';
import { createAccessControl, type Role } from 'better-auth/plugins/access';
import * as platformAccess from 'better-auth/plugins/admin/access';
import * as memberAccess from 'better-auth/plugins/organization/access';
import pg from 'pg';
import { CheckPermissionRequestSchema, Consistency } from '../../../gen/assent/auth/v1/auth_service_pb.ts';
import { readAuth } from '../../../packages/better-auth/src/policy/read-auth.ts';
import { systemClock } from '../../../src/clock.ts';
import { createFactsCache } from '../../../src/facts/cache.ts';
import { databaseTier } from '../../../src/facts/database-tier.ts';
import { createTtlFreshness } from '../../../src/facts/freshness.ts';
import { createMemoryStore } from '../../../src/facts/memory.ts';
import { parsePolicy } from '../../../src/policy/file.ts';
import type { Policy } from '../../../src/policy/grants.ts';
import { createHandlers } from '../../../src/rpc/handlers.ts';
import { createPageTokens } from '../../../src/rpc/page-token.ts';
import { createTokenVerifier } from '../../../src/token/verifier.ts';
import { directoryOf } from '../../../tools/assent/directory.ts';
import { CALLER } from '../caller.ts';
import { ACTIONS, type Model, type Pairs, RESOURCES } from './model.ts';

/** An own property of any name: `__proto__` by assignment would be none. */
const objectOf = <T>(entries: Iterable<readonly [string, T]>): Record<string, T> => Object.fromEntries(entries);

const statementsOf = (grants: Pairs): Record<string, string[]> => {
  const statements = new Map<string, string[]>();
  for (const [resource, action] of grants) statements.set(resource, [...(statements.get(resource) ?? []), action]);
  return objectOf(statements);
};

const DEFAULTS = {
  organization: {
    roles: { owner: memberAccess.ownerAc, admin: memberAccess.adminAc, member: memberAccess.memberAc },
    statements: memberAccess.defaultStatements,
  },
  admin: {
    roles: { admin: platformAccess.adminAc, user: platformAccess.userAc },
    statements: platformAccess.defaultStatements,
  },
};

export interface Person {
  readonly id: string;
  readonly headers: Headers;
}

/** The answer of Better Auth; `threw` when Better Auth failed with its own defect. */
export type TheirAnswer = boolean | 'threw';

/** More that a single test wants of Better Auth. */
export interface Extra {
  readonly dynamicAccessControl?: boolean;
}

const everything: Pairs = RESOURCES.flatMap((resource) => ACTIONS.map((action) => [resource, action] as const));

export const createWorld = async (databaseUrl: string, size: number) => {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 6 });
  const auths = (
    { organizationRoles, platformRoles, defaultPlatformRole, admins }: Model,
    people: readonly Person[],
    extra: Extra = {},
  ) => {
    const all = statementsOf([
      ...everything,
      ...Object.entries(memberAccess.defaultStatements).flatMap(([resource, actions]) =>
        actions.map((action) => [resource, action] as const),
      ),
    ]);
    const access = createAccessControl(all);
    const newRoles = (roles: NonNullable<Model['organizationRoles']>): Record<string, Role> =>
      objectOf(roles.map(([name, grants]) => [name, access.newRole(statementsOf(grants))]));
    return betterAuth({
      database: pool,
      baseURL: 'http://localhost:3000',
      secret: 'a-secret-of-the-tests-that-is-long-enough',
      logger: { disabled: true },
      rateLimit: { enabled: false },
      emailAndPassword: {
        enabled: true,
        password: { hash: async (password) => password, verify: async ({ hash, password }) => hash === password },
      },
      plugins: [
        admin({
          ...(platformRoles === null
            ? {}
            : { roles: newRoles(platformRoles), adminRoles: platformRoles.slice(0, 1).map(([name]) => name) }),
          ...(defaultPlatformRole === null ? {} : { defaultRole: defaultPlatformRole }),
          adminUserIds: admins.flatMap((index) => people[index]?.id ?? []),
        }),
        organization({
          ac: access,
          ...(organizationRoles === null
            ? {}
            : { roles: { ...newRoles(organizationRoles), owner: access.newRole(all) } }),
          dynamicAccessControl: { enabled: (extra.dynamicAccessControl ?? true) as true },
        }),
      ],
    });
  };
  const plain: Model = {
    ...{ organizationRoles: null, platformRoles: null, defaultPlatformRole: null, admins: [] },
    ...{ dynamicRoles: [], members: [] },
  };
  const first = auths(plain, []);
  await (await getMigrations(first.options)).runMigrations();
  const signUp = async (name: string): Promise<Person> => {
    const body = { name, email: `${name}@example.com`, password: 'correct horse' };
    const { headers, response } = await first.api.signUpEmail({ body, returnHeaders: true });
    const cookie = headers.getSetCookie().map((line) => line.split(';')[0]);
    return { id: response.user.id, headers: new Headers({ cookie: cookie.join('; ') }) };
  };
  const owner = await signUp('owner');
  const people: Person[] = [];
  for (let index = 0; index < size; index += 1) people.push(await signUp(`person${index}`));

  let policy: Policy | null = null;
  const faults: unknown[] = [];
  const badRoles: number[] = [];
  const directory = directoryOf(databaseUrl, {
    size: 4,
    overloadWaitMs: 5_000,
    onFault: (error) => faults.push(error),
    onBadRole: (_, count) => badRoles.push(count),
  });
  const database = databaseTier(directory.facts, systemClock);
  const handlers = createHandlers({
    verifier: createTokenVerifier({ hs256: null, issuers: [], now: systemClock.now }),
    cache: createFactsCache({
      ...{
        memory: createMemoryStore(1),
        freshness: createTtlFreshness(systemClock),
        clock: systemClock,
        ttlMs: 1_000,
        leaseMs: 2_000,
      },
      ...{ cached: database, database },
    }),
    directory,
    policy: () => {
      if (policy === null) throw new Error('no policy');
      return policy;
    },
    pageTokens: createPageTokens(['the key of the pages']),
    clock: systemClock,
    onDecision: () => {},
  });

  /** Writes a model to the database, in a new organization. */
  const realize = async (model: Model, extra?: Extra) => {
    const auth = auths(model, people, extra);
    policy = parsePolicy(writePolicy(readAuth(auth, DEFAULTS).policy, []), 'policy.yaml');
    await pool.query('UPDATE "user" SET banned = false, "banExpires" = NULL, role = NULL');
    const body = { name: 'Acme', slug: crypto.randomUUID() };
    const made = await auth.api.createOrganization({ body, headers: owner.headers });
    const organizationId = made?.id ?? '';
    const addRow = (userId: string, role: string) =>
      pool.query(
        `INSERT INTO member (id, "userId", "organizationId", role, "createdAt") VALUES ($1, $2, $3, $4, now())`,
        [crypto.randomUUID(), userId, organizationId, role],
      );
    const addRole = (role: string, permission: string) =>
      pool.query(
        `INSERT INTO "organizationRole" (id, "organizationId", role, permission, "createdAt") VALUES ($1, $2, $3, $4, now())`,
        [crypto.randomUUID(), organizationId, role, permission],
      );
    /** Roles that are there; one that Better Auth refused is not. */
    const dynamicRoles: { name: string; grants: Pairs }[] = [];
    for (const { name, grants, by } of model.dynamicRoles) {
      const permission = statementsOf(grants);
      if (by === 'sql') {
        await addRole(name, JSON.stringify(permission));
        dynamicRoles.push({ name, grants });
        continue;
      }
      const created = await auth.api
        .createOrgRole({ body: { role: name, permission, organizationId }, headers: owner.headers })
        .catch(() => null);
      if (created === null) continue;
      dynamicRoles.push({ name: name.toLowerCase(), grants: grants.filter(([resource]) => resource !== '__proto__') });
    }
    for (const [index, { rows, separator, platformRole }] of model.members.entries()) {
      const userId = people[index]?.id ?? '';
      for (const [at, roles] of rows.entries()) {
        // The first as Better Auth adds a member; what the API would not write, as another program would.
        if (at === 0) await auth.api.addMember({ body: { userId, organizationId, role: [...roles] as never } });
        else await addRow(userId, roles.join(separator));
        if (at === 0 && separator !== ',') {
          await pool.query('UPDATE member SET role = $1 WHERE "userId" = $2 AND "organizationId" = $3', [
            ...[roles.join(separator), userId, organizationId],
          ]);
        }
      }
      if (platformRole !== null) await pool.query('UPDATE "user" SET role = $1 WHERE id = $2', [platformRole, userId]);
    }
    return { auth, organizationId, dynamicRoles, addRow, addRole };
  };
  type Real = Awaited<ReturnType<typeof realize>>;

  const theirs = async (ask: () => Promise<{ success: boolean }>): Promise<TheirAnswer> => {
    try {
      return (await ask()).success;
    } catch (error) {
      // Not a member: an error for Better Auth, an answer for Assent.
      const status = error instanceof Error && 'statusCode' in error ? error.statusCode : 0;
      return status === 401 ? false : 'threw';
    }
  };
  const request = (resource: string, action: string) => objectOf([[resource, [action]]]);
  return {
    pool,
    people,
    faults,
    badRoles,
    realize,
    /** `auth.api.hasPermission`, as the person's own session asks it. */
    theirMember: ({ auth, organizationId }: Real, person: Person, resource: string, action: string) =>
      theirs(() =>
        auth.api.hasPermission({
          body: { organizationId, permissions: request(resource, action) },
          headers: person.headers,
        }),
      ),
    /** `auth.api.userHasPermission`, of the platform. */
    theirPlatform: ({ auth }: Real, person: Person, resource: string, action: string) =>
      theirs(() =>
        auth.api.userHasPermission({ body: { userId: person.id, permissions: request(resource, action) as never } }),
      ),
    /** CheckPermission, read from PostgreSQL; the organization null for the whole platform. */
    ours: async (person: Person, organizationId: string | null, resource: string, action: string) => {
      const response = await handlers.checkPermission(
        create(CheckPermissionRequestSchema, {
          subject: { case: 'userId', value: person.id },
          scope:
            organizationId === null
              ? { case: 'platform', value: {} }
              : { case: 'organizationId', value: organizationId },
          permission: `${resource}:${action}`,
          consistency: Consistency.FULL,
        }),
        { ...CALLER, onDefect: (error) => faults.push(error) },
      );
      return { allowed: response.allowed, reason: response.reason };
    },
    end: async () => {
      await directory.end();
      await pool.end();
    },
  };
};
