/** Reads the columns of a database schema and resolves Better Auth's models from them. */
import { escapeIdentifier } from 'pg';
import { sql } from 'slonik';
import { z } from 'zod';
import { checkTypes, kindOf } from './column-types.ts';
import type { Schema } from './models.ts';
import { type Naming, plainNames, resolveSchema, SchemaError, schemasAlike, schemasNamed } from './naming.ts';
import type { Database } from './pool.ts';
import { withRelationFacts } from './relations.ts';
import { parseSearchPath } from './search-path.ts';
import { schemasCompared } from './sql.ts';

const columnRow = z.object({
  schema: z.string(),
  table: z.string().nullable(),
  column: z.string().nullable(),
  type: z.string().nullable(),
  typeSchema: z.string(),
  typeName: z.string(),
  isEnum: z.boolean(),
  isArray: z.boolean(),
  isScaled: z.boolean(),
  length: z.int().nullable(),
  collation: z.tuple([z.string(), z.string()]).nullable(),
  deterministic: z.boolean(),
  readable: z.boolean(),
});

/**
 * Detects the schema. From the catalog and not from information_schema, which hides what the role may not read: a grant
 * that is missing has to be told from a column that is missing, and both at the start rather than within a request. Tables
 * and views of them, but no materialized views: those say what was true once, and bring back what was revoked.
 * @param searchPath The database schemas to look in, in order; null for the path that sessions of the role begin with.
 * @returns The tables, the database schemas in which they were looked for, and others that have such tables, too.
 * @throws {SchemaError} when what it takes is not there, or has a type that cannot be read.
 */
export const detectSchema = async (
  db: Database,
  searchPath: readonly string[] | null,
  naming: Naming,
): Promise<DetectedSchema> => {
  const { path, scope } = await readScope(db, searchPath, naming);
  const rows = await db.rows(
    // A domain may be one over another. `x` is the type below, for an array that of its elements, domains among them.
    sql.unsafe`WITH RECURSIVE chain (domain, type, modifier) AS (
        SELECT oid, typbasetype, typtypmod FROM pg_type WHERE typtype = 'd'
        UNION ALL
        SELECT chain.domain, t.typbasetype, greatest(chain.modifier, t.typtypmod)
        FROM chain JOIN pg_type t ON t.oid = chain.type AND t.typtype = 'd'
      ), below AS (
        SELECT chain.domain, chain.type, chain.modifier FROM chain JOIN pg_type t ON t.oid = chain.type AND t.typtype <> 'd'
      )
      SELECT named.schema, c.relname::text AS "table", a.attname::text AS "column",
        CASE xn.nspname WHEN 'pg_catalog' THEN format_type(x.oid, CASE WHEN s.scaled THEN v.modifier END) ELSE quote_ident(xn.nspname) || '.' || quote_ident(x.typname) END
          || CASE t.typcategory WHEN 'A' THEN '[]' ELSE '' END AS type,
        coalesce(xn.nspname::text, '') AS "typeSchema", coalesce(x.typname::text, '') AS "typeName",
        coalesce(x.typtype = 'e', false) AS "isEnum", coalesce(t.typcategory = 'A', false) AS "isArray",
        s.scaled AS "isScaled", CASE WHEN t.oid = 'bpchar'::regtype THEN nullif(v.modifier, -1) - 4 END AS length,
        CASE WHEN l.oid IS NOT NULL THEN json_build_array(ln.nspname, l.collname) END AS collation,
        coalesce(l.collisdeterministic, true) AS deterministic,
        coalesce(has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(c.oid, a.attnum, 'SELECT'), false)
          AS readable
      FROM unnest(${sql.array([...scope.keys()], 'text')}, ${sql.array([...scope.values()], 'bool')}) AS named (schema, whole)
      LEFT JOIN pg_namespace n ON n.nspname::text = named.schema
      LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'f')
        AND (named.whole OR ${plain('c.relname')} = ANY(${sql.array(plainNames(naming), 'text')}))
      LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN below d ON d.domain = a.atttypid
      LEFT JOIN pg_type t ON t.oid = coalesce(d.type, a.atttypid)
      CROSS JOIN LATERAL (SELECT CASE WHEN d.domain IS NULL THEN a.atttypmod ELSE d.modifier END AS modifier) v
      -- The lower bits of a numeric's modifier are its scale; from 1024 they are a negative one.
      CROSS JOIN LATERAL (SELECT coalesce(t.oid = 'numeric'::regtype AND v.modifier > 0
        AND (v.modifier - 4) & 2047 BETWEEN 1 AND 1023, false) AS scaled) s
      LEFT JOIN pg_type x ON x.oid = CASE t.typcategory WHEN 'A' THEN t.typelem ELSE t.oid END
      LEFT JOIN pg_namespace xn ON xn.oid = x.typnamespace
      LEFT JOIN pg_collation l ON l.oid = a.attcollation
      LEFT JOIN pg_namespace ln ON ln.oid = l.collnamespace
      ORDER BY c.oid, a.attnum`,
    columnRow,
  );
  const columns = rows.flatMap(({ table, column, type, typeName, isEnum, isArray, isScaled, ...more }) => {
    if (table === null || column === null || type === null) return [];
    const kind = kindOf({ schema: more.typeSchema, name: typeName, isEnum, isArray, isScaled });
    return [{ table, column, type, kind, ...more }];
  });
  const schema = await withRelationFacts(db, resolveSchema(path, columns, naming));
  checkTypes(schema);
  await checkUsage(db, schema);
  return { schema, searchPath: path, alike: schemasAlike(schema, path, columns, naming) };
};

/** Whether the role may use the types and collations that statements name: else each call would fail, and no start. */
async function checkUsage(db: Database, schema: Schema): Promise<void> {
  const uses = schemasCompared(schema);
  if (uses.length === 0) return;
  const names = sql.array([...new Set(uses.map((use) => use.schema))], 'text');
  const hidden = await db.rows(
    sql.unsafe`SELECT nspname::text AS name FROM pg_namespace
      WHERE nspname::text = ANY(${names}) AND NOT has_schema_privilege(oid, 'USAGE') ORDER BY 1`,
    z.object({ name: z.string() }),
  );
  if (hidden.length === 0) return;
  const problems = hidden.map(({ name }) => {
    const columns = uses
      .filter((use) => use.schema === name)
      .map(({ table, column }) => `column "${column}" of table "${table}"`);
    return `does not have USAGE on the database schema "${name}", which has the type or the collation of ${columns.join(' and ')}`;
  });
  const grant = hidden.map(({ name }) => escapeIdentifier(name)).join(', ');
  throw new SchemaError(
    `This role ${problems.join('; and ')}. GRANT USAGE ON SCHEMA ${grant} to it, as \`npm run -s sql -- grants\` prints.`,
  );
}

interface DetectedSchema {
  readonly schema: Schema;
  readonly searchPath: readonly string[];
  readonly alike: readonly string[];
}

/** Of a database with a schema for each tenant; those beyond are not looked at. */
const MAX_OTHERS = 20;

/** As `plainName` of naming.ts has it. */
const plain = (column: 'c.relname') =>
  sql.fragment`lower(replace(${sql.identifier(column.split('.'))}::text, '_', ''))`;

const scopeRow = z.object({ schema: z.string(), place: z.number().nullable(), there: z.boolean() });

/**
 * In which schemas to look: `path` for all tables, and of the others that have tables by a model's name for these. The half
 * of the tables that is missing may be there.
 */
async function readScope(
  db: Database,
  searchPath: readonly string[] | null,
  naming: Naming,
): Promise<{ readonly path: readonly string[]; readonly scope: ReadonlyMap<string, boolean> }> {
  const wanted = searchPath ?? (await readSearchPath(db));
  const rows = await db.rows(
    sql.unsafe`WITH path AS (
        SELECT CASE name WHEN '$user' THEN current_user::text ELSE name END AS schema, min(place)::int4 AS place
        FROM unnest(${sql.array(wanted, 'text')}) WITH ORDINALITY AS listed (name, place)
        GROUP BY 1
      )
      SELECT schema, place, EXISTS (SELECT FROM pg_namespace WHERE nspname = schema) AS there FROM path
      UNION ALL (
        SELECT DISTINCT n.nspname::text, NULL::int4, true
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'f') AND ${plain('c.relname')} = ANY(${sql.array(plainNames(naming), 'text')})
          AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND n.nspname::text NOT IN (SELECT schema FROM path)
        ORDER BY 1 LIMIT ${MAX_OTHERS}
      ) ORDER BY place`,
    scopeRow,
  );
  const onPath = rows.filter(({ place }) => place !== null);
  const missing = searchPath?.filter((name) => onPath.some(({ schema, there }) => schema === name && !there)) ?? [];
  if (missing.length > 0) {
    throw new SchemaError(
      `The database schema "${missing.join('", "')}" cannot be read as Better Auth's: it is not there or has no tables. Check DATABASE_URL and ASSENT_DB_SCHEMA, and whether Better Auth's migrations have run.`,
    );
  }
  const path = onPath.filter(({ there }) => there).map(({ schema }) => schema);
  const others = rows.filter(({ place }) => place === null).map(({ schema }) => schema);
  return {
    path,
    scope: new Map([
      ...others.map((schema) => [schema, false] as const),
      ...[...path, ...schemasNamed(naming)].map((schema) => [schema, true] as const),
    ]),
  };
}

/**
 * The path that a session begins with, from the role, the database or the startup options: behind a pooler `SET` of another
 * client may have changed it since. As it is set: PostgreSQL leaves out the schemas that the role may not use, and they are a
 * fault.
 */
async function readSearchPath(db: Database): Promise<readonly string[]> {
  const [row] = await db.rows(
    sql.unsafe`SELECT reset_val AS path FROM pg_settings WHERE name = 'search_path'`,
    z.object({ path: z.string() }),
  );
  return parseSearchPath(row?.path ?? '') ?? [];
}
