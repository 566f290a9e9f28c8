/** A real Better Auth application with the plugin, as its users would write it. */
import { type BetterAuthOptions, type BetterAuthPlugin, betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { admin, jwt, organization } from 'better-auth/plugins';
import { createAccessControl } from 'better-auth/plugins/access';
import { adminAc, defaultStatements, memberAc, ownerAc } from 'better-auth/plugins/organization/access';
import pg from 'pg';
import { afterAll } from 'vitest';
import { type AssentOptions, assent } from '../../../packages/better-auth/src/index.ts';

const access = createAccessControl({ ...defaultStatements, leave: ['request', 'approve'] });
const roles = {
  owner: access.newRole({ ...ownerAc.statements, leave: ['request', 'approve'] }),
  admin: access.newRole({ ...adminAc.statements, leave: ['request', 'approve'] }),
  member: access.newRole({ ...memberAc.statements, leave: ['request'] }),
};

/** What the tables are called in the database. */
export interface Names {
  readonly user: string;
  readonly member: string;
  readonly organization: string;
  readonly organizationRole: string;
}

export const SINGULAR: Names = {
  user: 'user',
  member: 'member',
  organization: 'organization',
  organizationRole: 'organizationRole',
};
export const PLURAL: Names = {
  user: 'users',
  member: 'members',
  organization: 'organizations',
  organizationRole: 'organization_roles',
};

export interface ApplicationOptions {
  readonly databaseUrl: string;
  /** Null: without the plugin. */
  readonly assent: AssentOptions | null;
  readonly names?: Names;
  /** Where the plugin stands among the others; last when absent. */
  readonly place?: 'first' | 'last';
  /** The plugin among others beside it, in their order; the plugin alone when absent. */
  readonly beside?: (plugin: BetterAuthPlugin) => readonly BetterAuthPlugin[];
  /** Better Auth's adapter on the pool; that of Kysely when absent. It cannot migrate. */
  readonly database?: (pool: pg.Pool, options: BetterAuthOptions) => BetterAuthOptions['database'];
  readonly more?: Partial<BetterAuthOptions>;
}

const SECRET = 'a-secret-of-the-tests-that-is-long-enough';
export const PASSWORD = 'correct horse battery staple';

const createAuth = (
  pool: pg.Pool,
  { names = SINGULAR, place, beside, database, more }: ApplicationOptions,
  plugin: BetterAuthPlugin | null,
  warnings: string[],
) => {
  const own = plugin === null ? [] : (beside?.(plugin) ?? [plugin]);
  const standard = [
    admin(),
    organization({
      ac: access,
      roles,
      dynamicAccessControl: { enabled: true },
      teams: { enabled: true },
      schema: {
        organization: { modelName: names.organization },
        member: { modelName: names.member },
        organizationRole: { modelName: names.organizationRole },
      },
    }),
    jwt(),
  ] as const;
  const options = {
    database: pool,
    baseURL: 'http://localhost:3000',
    secret: SECRET,
    rateLimit: { enabled: false },
    // Better Auth's own hash takes 100 ms, on purpose.
    emailAndPassword: {
      enabled: true,
      password: { hash: async (password) => password, verify: async ({ hash, password }) => hash === password },
    },
    user: {
      modelName: names.user,
      deleteUser: { enabled: true },
      changeEmail: { enabled: true, updateEmailWithoutVerification: true },
    },
    ...more,
    logger: { level: 'warn', log: (level, message) => void warnings.push(`${level} ${message}`) },
    plugins: place === 'first' ? [...own, ...standard] : [...standard, ...own],
  } as BetterAuthOptions & { plugins: [(typeof standard)[0], (typeof standard)[1], (typeof standard)[2]] };
  return betterAuth(database === undefined ? options : { ...options, database: database(pool, options) });
};

export type Auth = ReturnType<typeof createAuth>;

export interface Application {
  readonly auth: Auth;
  readonly pool: pg.Pool;
  /** What Better Auth logged, the plugin's warnings among it. */
  readonly warnings: readonly string[];
  readonly plugin: ReturnType<typeof assent> | null;
  migrate(): Promise<void>;
  /** A user with a session. */
  signUp(name: string): Promise<{ readonly id: string; readonly email: string; readonly headers: Headers }>;
  signIn(email: string): Promise<Headers>;
  /** A table's name for SQL. */
  table(model: keyof Names): string;
  /** Past the plugin: raw SQL. */
  sql(text: string, values?: readonly unknown[]): Promise<readonly Readonly<Record<string, unknown>>[]>;
  stop(): Promise<void>;
}

const cookieOf = (headers: Headers): Headers =>
  new Headers({
    cookie: headers
      .getSetCookie()
      .map((line) => line.split(';')[0])
      .join('; '),
    origin: 'http://localhost:3000',
  });

/**
 * Creates the application.
 * @param atEnd When it stops: `afterAll`, or `onTestFinished` for one that is created in a test.
 */
export const createApplication = (
  options: ApplicationOptions,
  atEnd: (stop: () => Promise<void>) => void = afterAll,
): Application => {
  const pool = new pg.Pool({ connectionString: options.databaseUrl, max: 5 });
  pool.on('error', () => {});
  const plugin = options.assent === null ? null : assent(options.assent);
  const warnings: string[] = [];
  const auth = createAuth(pool, options, plugin, warnings);
  let stopped = false;
  const stop = async (): Promise<void> => {
    if (stopped) return;
    stopped = true;
    await plugin?.close(0);
    await pool.end();
  };
  atEnd(stop);
  return {
    auth,
    pool,
    warnings,
    plugin,
    migrate: async () => (await getMigrations(auth.options)).runMigrations(),
    signUp: async (name) => {
      const email = `${name}-${crypto.randomUUID().slice(0, 8)}@example.com`;
      const body = { name, email, password: PASSWORD };
      const { headers, response } = await auth.api.signUpEmail({ body, returnHeaders: true });
      return { id: response.user.id, email, headers: cookieOf(headers) };
    },
    signIn: async (email) => {
      const { headers } = await auth.api.signInEmail({ body: { email, password: PASSWORD }, returnHeaders: true });
      return cookieOf(headers);
    },
    table: (model) => pg.escapeIdentifier((options.names ?? SINGULAR)[model]),
    sql: async (text, values = []) => (await pool.query(text, [...values])).rows,
    stop,
  };
};
