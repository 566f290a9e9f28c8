/** The names that Better Auth and its Drizzle generator give to tables and columns, as schemas. Pure. */
import { type FieldColumn, MODELS, type ModelName, type Schema, type TableOf } from '../database/models.ts';

/**
 * The file that `@assent/better-auth` ships the outbox in, for each of the usual names. All are in the schema `public`, with
 * the organization plugin and dynamic access control.
 */
export const OUTBOX_FILES: ReadonlyMap<string, Schema> = new Map([
  ['outbox.sql', schemaOf(false, keep)],
  ['outbox-plural.sql', schemaOf(true, keep)],
  ['outbox-drizzle.sql', schemaOf(false, snakeCase)],
  ['outbox-drizzle-plural.sql', schemaOf(true, snakeCase)],
]);

function schemaOf(plural: boolean, rename: (name: string) => string): Schema {
  return {
    user: tableOf('user', plural, rename),
    organizations: {
      organization: tableOf('organization', plural, rename),
      member: tableOf('member', plural, rename),
    },
    organizationRole: tableOf('organizationRole', plural, rename),
    jwks: null,
  };
}

function tableOf<M extends ModelName>(model: M, plural: boolean, rename: (name: string) => string): TableOf<M> {
  const { required, optional } = MODELS[model];
  const columns = Object.fromEntries([...required, ...optional].map((field) => [field, columnOf(rename(field))]));
  return { schema: 'public', table: `${rename(model)}${plural ? 's' : ''}`, columns } as TableOf<M>;
}

/** Only the name counts here: statements about rows need the type, and these have none. */
function columnOf(name: string): FieldColumn {
  return {
    ...{ name, type: 'text', kind: 'text', typeSchema: 'pg_catalog' },
    ...{ length: null, collation: null, deterministic: true },
  };
}

function keep(name: string): string {
  return name;
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
