/** How the log and the metrics show PostgreSQL: its faults, its tables, its role, and the values that cannot be read. */
import { type Schema, tablesOf } from '../database/models.ts';
import { policyStatements } from '../database/table-access.ts';
import { AssentError, describeError } from '../errors.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import { oncePerReason, rateLimited } from './rate-limited-log.ts';

/** True for an error that only means that PostgreSQL cannot be reached at the moment. */
export function isDatabaseAway(error: unknown): boolean {
  return error instanceof AssentError && (error.code === 'DATABASE_UNAVAILABLE' || error.code === 'OVERLOADED');
}

/** The callbacks of PostgreSQL. */
export function databaseInstrumentation(log: Logger, metrics: Metrics) {
  const dynamicRole = rateLimited((organizationId: string, suppressed) =>
    log.warn(
      { event: 'database.dynamic_role_unreadable', organizationId, suppressed },
      'a dynamic role of the organization cannot be read and grants nothing',
    ),
  );
  const unreadableFields = oncePerReason();
  return {
    databaseFault: counted(
      metrics.databaseFault,
      rateLimited((error, suppressed) =>
        log.error({ event: 'database.fault', error: describeError(error), suppressed }, 'PostgreSQL could not answer'),
      ),
    ),
    readRefused: metrics.readRefused,
    databaseUnprepared: (): void =>
      log.warn(
        { event: 'database.unprepared' },
        'a pooler keeps no prepared statements (PgBouncer: max_prepared_statements): PostgreSQL plans each read anew',
      ),
    writableTable: ({ role, table }: { readonly role: string; readonly table: string }): void =>
      log.warn(
        { event: 'database.role_can_write', role, table },
        `the role ${role} of DATABASE_URL can write to ${table}: Assent only reads, and needs a role without other rights; "npm run -s sql -- grants" prints one`,
      ),
    badDynamicRoles: (organizationId: string, count: number): void => {
      metrics.badDynamicRoles(count);
      dynamicRole(organizationId);
    },
    /** @param field The field of a row with an unreadable value in a column of a readable type. */
    unreadableValue: (field: string): void => {
      metrics.unreadableValue();
      if (!unreadableFields.isNew(field)) return;
      log.warn(
        { event: 'database.value_unreadable', field },
        'a stored value cannot be read: a role or a time counts as absent, a ban as endless, a key as missing',
      );
    },
    /** @param alike Other database schemas with tables like Better Auth's. */
    schema: (schema: Schema, alike: readonly string[], onlyStoredKeys: boolean): void => {
      logTables(log, schema);
      logHiddenRows(log, schema);
      if (onlyStoredKeys && schema.jwks === null) {
        log.warn(
          { event: 'database.keys_absent' },
          'no token verifies: the jwks table is the only source of keys and does not exist, and BETTER_AUTH_SECRET is not set. ASSENT_NAMING=jwks=… names the table',
        );
      }
      if (alike.length > 0) {
        log.warn(
          { event: 'database.tables_alike', schemas: alike },
          "other database schemas have tables like Better Auth's and are not read: ASSENT_DB_SCHEMA names the right ones",
        );
      }
    },
    schemaFault: (error: unknown): void => {
      if (isDatabaseAway(error)) return;
      log.error(
        { event: 'database.schema_refused', error: describeError(error) },
        'the tables changed and cannot be used: they are read as before the change',
      );
    },
  };
}

function logTables(log: Logger, { user, organizations, organizationRole, jwks }: Schema): void {
  log.info(
    {
      event: 'database.tables_found',
      user: nameOf(user),
      member: nameOf(organizations?.member) ?? 'none: every organization check is denied',
      organization: nameOf(organizations?.organization) ?? 'none',
      organizationRole: nameOf(organizationRole) ?? 'none: no dynamic roles',
      jwks: nameOf(jwks) ?? 'none: no keys in the database, so that with ASSENT_JWKS=database only HS256 tokens verify',
      bans: user.columns.banned === undefined ? 'none: no user is banned' : 'on',
    },
    "found Better Auth's tables",
  );
}

function logHiddenRows(log: Logger, schema: Schema): void {
  for (const table of tablesOf(schema)) {
    const { hiddenBy = [] } = table.relation ?? {};
    if (hiddenBy.length === 0) continue;
    log.warn(
      { event: 'database.rows_hidden', table: nameOf(table), sql: policyStatements(hiddenBy) },
      'row-level security can hide rows, and a hidden row counts as absent: let the role see all of them',
    );
  }
}

function nameOf(table: { readonly schema: string; readonly table: string } | null | undefined): string | undefined {
  return table == null ? undefined : `${table.schema}.${table.table}`;
}

function counted(count: () => void, write: (error: unknown) => void): (error: unknown) => void {
  return (error) => {
    count();
    write(error);
  };
}
