/** Detects where Better Auth's tables are, and which database has them, from PostgreSQL's catalog. */
import { createHash } from 'node:crypto';
import { type FragmentSqlToken, type QuerySqlToken, sql } from 'slonik';
import { z } from 'zod';
import { AssentError } from '../errors.ts';
import type { Column } from './catalog.ts';
import { checkTypes, kindOf, type Schema, SchemaError } from './models.ts';
import { givenSchemas, type Naming, parseSearchPath, plainNames } from './naming.ts';
import type { Database } from './pool.ts';
import { resolveSchema, schemasAlike } from './schema-resolution.ts';
import { checkUsage, withRelationFacts } from './table-access.ts';

export interface DetectedSchema {
  readonly schema: Schema;
  /** The database schemas in which the tables were looked for. */
  readonly searchPath: readonly string[];
  /** Other database schemas that have such tables, too. */
  readonly alike: readonly string[];
}

/**
 * Detects the schema. It reads the catalog and not information_schema, which hides the columns that the role may not read: a
 * missing grant must be told from a missing column, and both are reported at the start and not within a request.
 * Materialized views do not count as tables: they hold outdated rows and would bring back grants that were revoked.
 * @param searchPath The database schemas to look in, in order; null for the path that sessions of the role begin with.
 * @throws {SchemaError} when a table, a column or a grant is missing, or a column has a type that cannot be read.
 */
export async function detectSchema(
  db: Database,
  searchPath: readonly string[] | null,
  naming: Naming,
): Promise<DetectedSchema> {
  const { path, scope } = await readScope(db, searchPath, naming);
  const columns = await readColumns(db, scope, naming);
  const schema = await withRelationFacts(db, resolveSchema(path, columns, naming));
  checkTypes(schema);
  await checkUsage(db, schema);
  return { schema, searchPath: path, alike: schemasAlike(schema, path, columns, naming) };
}

/**
 * Identifies the data source: the database and the tables that facts are read from. The id is the same in all processes that
 * read them, whatever their role and their way to the server, since each replica may have its own sidecar or pooler. It
 * contains nothing of DATABASE_URL.
 */
export async function readDataSourceId(db: Database, schema: Schema): Promise<string> {
  return dataSourceId(await readDatabaseIdentity(db), schema);
}

/** The data source id of the tables of one database. */
export function dataSourceId(identity: readonly unknown[], schema: Schema): string {
  return createHash('sha256')
    .update(JSON.stringify([identity, schema]))
    .digest('base64url')
    .slice(0, 16);
}

/** In which database schemas to look: `true` for all tables, `false` for tables that have a model's name. */
type Scope = ReadonlyMap<string, boolean>;

/** At most so many schemas off the path are searched, in a database with a schema for each tenant. */
const MAX_OTHERS = 20;

const scopeRow = z.object({ schema: z.string(), place: z.number().nullable(), there: z.boolean() });

/** Reads which schemas of the path exist, and which others have tables with a model's name: the missing half may be there. */
async function readScope(
  db: Database,
  searchPath: readonly string[] | null,
  naming: Naming,
): Promise<{ readonly path: readonly string[]; readonly scope: Scope }> {
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
        WHERE c.relkind IN ('r', 'p', 'v', 'f') AND ${isPlainName(naming)}
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
      ...[...path, ...givenSchemas(naming)].map((schema) => [schema, true] as const),
    ]),
  };
}

/**
 * Reads the path that a session begins with, which the role, the database or the startup options set. Behind a pooler another
 * client may have changed the session's own path with `SET`. The setting is parsed here, because `current_schemas()` leaves
 * out schemas that the role may not use; a missing USAGE is to be reported.
 */
async function readSearchPath(db: Database): Promise<readonly string[]> {
  const [row] = await db.rows(
    sql.unsafe`SELECT reset_val AS path FROM pg_settings WHERE name = 'search_path'`,
    z.object({ path: z.string() }),
  );
  return parseSearchPath(row?.path ?? '') ?? [];
}

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

async function readColumns(db: Database, scope: Scope, naming: Naming): Promise<readonly Column[]> {
  const rows = await db.rows(columnsStatement(scope, naming), columnRow);
  return rows.flatMap(({ table, column, type, typeName, isEnum, isArray, isScaled, ...more }) => {
    if (table === null || column === null || type === null) return [];
    const kind = kindOf({ schema: more.typeSchema, name: typeName, isEnum, isArray, isScaled });
    return [{ table, column, type, kind, ...more }];
  });
}

/**
 * The statement that reads the columns. `chain` and `below` resolve domains over domains. `x` is the resulting type; for an
 * array the type of its elements, which may be a domain. The lower bits of a numeric's modifier are its scale, and from
 * 1024 on a negative scale.
 */
function columnsStatement(scope: Scope, naming: Naming): QuerySqlToken {
  return sql.unsafe`WITH RECURSIVE chain (domain, type, modifier) AS (
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
    LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'f') AND (named.whole OR ${isPlainName(naming)})
    LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN below d ON d.domain = a.atttypid
    LEFT JOIN pg_type t ON t.oid = coalesce(d.type, a.atttypid)
    CROSS JOIN LATERAL (SELECT CASE WHEN d.domain IS NULL THEN a.atttypmod ELSE d.modifier END AS modifier) v
    CROSS JOIN LATERAL (SELECT coalesce(t.oid = 'numeric'::regtype AND v.modifier > 0
      AND (v.modifier - 4) & 2047 BETWEEN 1 AND 1023, false) AS scaled) s
    LEFT JOIN pg_type x ON x.oid = CASE t.typcategory WHEN 'A' THEN t.typelem ELSE t.oid END
    LEFT JOIN pg_namespace xn ON xn.oid = x.typnamespace
    LEFT JOIN pg_collation l ON l.oid = a.attcollation
    LEFT JOIN pg_namespace ln ON ln.oid = l.collnamespace
    ORDER BY c.oid, a.attnum`;
}

/** Whether the table `c` has a model's name; the left side is `plainName` of naming.ts in SQL. */
function isPlainName(naming: Naming): FragmentSqlToken {
  return sql.fragment`lower(replace("c"."relname"::text, '_', '')) = ANY(${sql.array(plainNames(naming), 'text')})`;
}

const identityRow = z.object({ server: z.string(), database: z.string() });

/**
 * Asks the server which database this is. Its system identifier never changes, and physical copies of the server have it,
 * too. If the role may not ask for it, the start time of the server is used: then facts are read anew after each restart.
 */
async function readDatabaseIdentity(db: Database): Promise<readonly unknown[]> {
  const read = async (server: FragmentSqlToken): Promise<readonly unknown[]> => {
    const rows = await db.rows(
      sql.unsafe`SELECT ${server}::text AS server, oid::text AS database
        FROM pg_database WHERE datname = current_database()`,
      identityRow,
    );
    return rows.flatMap((row) => [row.server, row.database]);
  };
  try {
    return await read(sql.fragment`(SELECT system_identifier FROM pg_control_system())`);
  } catch (error) {
    if (error instanceof AssentError) throw error;
    return read(sql.fragment`extract(epoch FROM pg_postmaster_start_time())`);
  }
}
