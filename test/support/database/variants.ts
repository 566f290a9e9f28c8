/** Better Auth's tables under different names and types, made by Better Auth itself or as by its Drizzle generator. */
import { type BetterAuthOptions, betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { admin, jwt, organization } from 'better-auth/plugins';
import { createAccessControl } from 'better-auth/plugins/access';
import { defaultStatements } from 'better-auth/plugins/organization/access';
import pg from 'pg';
import { drizzleTables, type Model } from './drizzle.ts';

export interface Variant {
  readonly title: string;
  /** `ASSENT_NAMING`. */
  readonly naming: string;
  /** `ASSENT_DB_SCHEMA`. */
  readonly schema: string | null;
  readonly ids: 'text' | 'uuid' | 'serial';
  readonly table: (model: Model) => string;
  readonly column: (model: Model, field: string) => string;
  /** Makes the tables in an empty database. */
  readonly migrate: (url: string) => Promise<void>;
}

type Names = Readonly<Partial<Record<Model, { readonly modelName: string; readonly fields?: Record<string, string> }>>>;
type Ids = Variant['ids'];

/** Tables as `getMigrations` of Better Auth makes them. */
const migrated =
  (names: Names, ids: Ids, searchPath = 'public') =>
  async (url: string): Promise<void> => {
    const pool = new pg.Pool({ connectionString: url, options: `-c search_path=${searchPath}` });
    const named = (model: Model) => names[model] ?? { modelName: model };
    const adminFields = ['role', 'banned', 'banReason', 'banExpires'];
    const { modelName, fields = {} } = named('user');
    const [ofAdmin, ofUser] = [true, false].map((wanted) =>
      Object.fromEntries(Object.entries(fields).filter(([field]) => adminFields.includes(field) === wanted)),
    );
    const options: BetterAuthOptions = {
      database: pool,
      baseURL: 'http://localhost:3000',
      secret: 'a-secret-that-is-long-enough-for-tests',
      logger: { disabled: true },
      user: { modelName, fields: ofUser ?? {} },
      ...(ids === 'text' ? {} : { advanced: { database: { generateId: ids } } }),
      plugins: [
        admin({ schema: { user: { fields: ofAdmin ?? {} } } }),
        jwt({ schema: { jwks: named('jwks') } }),
        organization({
          ac: createAccessControl(defaultStatements),
          dynamicAccessControl: { enabled: true },
          schema: {
            organization: named('organization'),
            member: named('member'),
            organizationRole: named('organizationRole'),
          },
        }),
      ],
    };
    const { runMigrations } = await getMigrations(betterAuth(options).options);
    await runMigrations();
    await pool.end();
  };

const kysely = (title: string, names: Names, ids: Ids = 'text', naming = 'auto'): Variant => ({
  title,
  naming,
  schema: null,
  ids,
  table: (model) => names[model]?.modelName ?? model,
  column: (model, field) => names[model]?.fields?.[field] ?? field,
  migrate: migrated(names, ids),
});

const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

const drizzle = (title: string, plural: boolean, ids: Ids = 'text'): Variant => {
  const table: Variant['table'] = (model) => `${snakeCase(model)}${plural ? 's' : ''}`;
  return {
    title,
    naming: 'auto',
    schema: null,
    ids,
    table,
    column: (_model, field) => snakeCase(field),
    migrate: (url) => run(url, drizzleTables(table, ids)),
  };
};

const RENAMED: Names = {
  user: {
    modelName: 'People',
    fields: { email: 'mail', emailVerified: 'mail checked', role: 'rank', banned: 'shut_out', banExpires: 'outUntil' },
  },
  organization: { modelName: 'tenants', fields: { slug: 'handle', createdAt: 'born' } },
  member: { modelName: 'seats', fields: { organizationId: 'tenant', userId: 'person', role: 'ranks' } },
  organizationRole: { modelName: 'own_ranks', fields: { organizationId: 'tenant', permission: 'allows' } },
  jwks: { modelName: 'signing_keys', fields: { publicKey: 'public' } },
};
const RENAMED_NAMING = Object.entries(RENAMED)
  .flatMap(([model, { modelName, fields = {} }]) => [
    `${model}=${modelName}`,
    ...Object.entries(fields).map(([field, column]) => `${model}.${field}=${column}`),
  ])
  .join(', ');

const PLURAL: Names = {
  user: { modelName: 'users' },
  organization: { modelName: 'organizations' },
  member: { modelName: 'members' },
  organizationRole: { modelName: 'organizationRoles' },
};

/** Runs SQL in a database. */
const run = async (url: string, sql: string): Promise<void> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(sql).finally(() => client.end());
};

export const VARIANTS: readonly Variant[] = [
  kysely("by Better Auth's default names", {}),
  kysely('in the plural', PLURAL),
  kysely('with renamed models and fields', RENAMED, 'text', RENAMED_NAMING),
  kysely('with uuid ids', {}, 'uuid'),
  kysely('with serial ids', PLURAL, 'serial'),
  {
    ...kysely('in another Postgres schema', {}),
    schema: 'Identity',
    migrate: async (url) => {
      // A table of that name in another schema, which must not be read.
      await run(url, 'CREATE SCHEMA "Identity"; CREATE TABLE "user" (id text)');
      await migrated({}, 'text', '"Identity"')(url);
    },
  },
  drizzle('of Drizzle', false),
  drizzle('of Drizzle in the plural', true),
  drizzle('of Drizzle with uuid ids', false, 'uuid'),
  drizzle('of Drizzle in the plural with serial ids', true, 'serial'),
];
