/** What happens in each part, told to the log and the metrics: the parts themselves know neither. */
import { type Schema, tablesOf } from '../database/models.ts';
import { policyStatements } from '../database/table-access.ts';
import { AssentError, describeError } from '../errors.ts';
import type { JwksCacheEvent } from '../token/jwks-cache-state.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import { createReasons } from './reasons.ts';

/** Logs at most one line per `intervalMs` for a fault that may repeat with every call; the metrics count them all. */
const rarely = (intervalMs: number, write: (error: unknown, suppressed: number) => void) => {
  let next = Number.NEGATIVE_INFINITY;
  let suppressed = 0;
  return (error: unknown): void => {
    const now = performance.now();
    if (now < next) {
      suppressed += 1;
      return;
    }
    next = now + intervalMs;
    write(error, suppressed);
    suppressed = 0;
  };
};

const INTERVAL_MS = 5_000;

const nameOf = (table: { readonly schema: string; readonly table: string } | null | undefined): string | undefined =>
  table == null ? undefined : `${table.schema}.${table.table}`;

/** Everything that the parts report. */
export type Observers = ReturnType<typeof observers>;

/** Creates the observers of one process. */
export const observers = (log: Logger, metrics: Metrics) => {
  const databaseFault = rarely(INTERVAL_MS, (error, suppressed) =>
    log.error({ error: describeError(error), suppressed }, 'PostgreSQL could not answer'),
  );
  const redisError = rarely(INTERVAL_MS, (error, suppressed) =>
    log.warn({ error: describeError(error), suppressed }, 'Redis could not answer: its entries count as misses'),
  );
  const badRole = rarely(INTERVAL_MS, (organizationId, suppressed) =>
    log.warn({ organizationId, suppressed }, 'a dynamic role of the organization cannot be read and grants nothing'),
  );
  const malformedEvent = rarely(INTERVAL_MS, (detail, suppressed) =>
    log.warn({ event: 'events.malformed', detail, suppressed }, 'an event without its ids counts as betterauth.resync'),
  );
  const defect = rarely(INTERVAL_MS, (error, suppressed) =>
    log.error({ err: error, suppressed }, 'a defect: a call was answered with INTERNAL'),
  );
  const unreadable = createReasons();
  const staleReasons = createReasons();
  /** Whether an error only says that PostgreSQL cannot be reached at the moment. */
  const isAway = (error: unknown): boolean =>
    error instanceof AssentError && (error.code === 'DATABASE_UNAVAILABLE' || error.code === 'OVERLOADED');
  return {
    call: metrics.call,
    decision: metrics.decision,
    defect: (error: unknown): void => {
      metrics.defect();
      defect(error);
    },
    databaseFault: (error: unknown): void => {
      metrics.databaseFault();
      databaseFault(error);
    },
    databaseUnprepared: (): void =>
      log.warn(
        { event: 'database.unprepared' },
        'a pooler keeps no prepared statements (PgBouncer: max_prepared_statements): each read is planned anew',
      ),
    writableTable: ({ role, table }: { readonly role: string; readonly table: string }): void =>
      log.warn(
        { event: 'database.role_can_write', role, table },
        `the role ${role} of DATABASE_URL can write to ${table}: Assent only reads, and wants a role of its own that can do nothing else; "npm run -s sql -- grants" prints one`,
      ),
    badDynamicRoles: (organizationId: string, count: number): void => {
      metrics.badDynamicRoles(count);
      badRole(organizationId);
    },
    /** A row of a field whose column has a type that can be read. */
    unreadableValue: (field: string): void => {
      metrics.unreadableValue();
      if (!unreadable.isNew(field)) return;
      log.warn(
        { event: 'database.value_unreadable', field },
        'a stored value cannot be read: a role or a time counts as absent, a ban as one without end, a key as none',
      );
    },
    redisError: (operation: string, error: unknown): void => {
      metrics.redisError(operation);
      redisError(error);
    },
    /** What the tables that were found mean for the answers. */
    schema: (schema: Schema, alike: readonly string[], onlyStoredKeys: boolean): void => {
      const { user, organizations, organizationRole, jwks } = schema;
      log.info(
        {
          event: 'database.tables_found',
          user: nameOf(user),
          member: nameOf(organizations?.member) ?? 'none: every organization check is denied',
          organization: nameOf(organizations?.organization) ?? 'none',
          organizationRole: nameOf(organizationRole) ?? 'none: no dynamic roles',
          jwks:
            nameOf(jwks) ?? 'none: no keys in the database, so that with ASSENT_JWKS=database only HS256 tokens verify',
          bans: user.columns.banned === undefined ? 'none: nobody is banned' : 'on',
        },
        "found Better Auth's tables",
      );
      for (const table of tablesOf(schema)) {
        const { hiddenBy = [] } = table.relation ?? {};
        if (hiddenBy.length === 0) continue;
        log.warn(
          { event: 'database.rows_hidden', table: nameOf(table), sql: policyStatements(hiddenBy) },
          'row-level security can hide rows, and a hidden row counts as absent: let the role see all of them',
        );
      }
      if (onlyStoredKeys && jwks === null) {
        log.warn(
          { event: 'database.keys_absent' },
          'no token verifies: all keys are to come from the table of keys, there is none, and there is no BETTER_AUTH_SECRET. ASSENT_NAMING=jwks=… names the table',
        );
      }
      if (alike.length > 0) {
        log.warn(
          { event: 'database.tables_alike', schemas: alike },
          "other database schemas have tables like Better Auth's and are not read: ASSENT_DB_SCHEMA says which are in use",
        );
      }
    },
    /** @param source Where the keys are published. */
    keys: (event: JwksCacheEvent, source: string): void => {
      metrics.keyRefresh(event.kind);
      if (event.kind === 'refreshed') log.debug({ source, keys: event.keys }, 'token keys were read');
      else if (event.kind === 'key-skipped')
        log.warn({ source, kid: event.kid, reason: event.reason }, 'a token key is skipped');
      else {
        const { failures, retryInMs } = event;
        log.warn(
          { source, error: describeError(event.error), failures, retryInMs },
          'token keys could not be read: those from before stay',
        );
      }
    },
    isAway,
    schemaFault: (error: unknown): void => {
      if (!isAway(error))
        log.error({ error: describeError(error) }, 'the tables changed and are read as they were before');
    },
    redisRefused: metrics.redisRefused,
    redisReady: (): void => log.info('Redis is connected'),
    events: {
      event: (outcome: string, detail: { readonly subject: string; readonly problem?: string }): void => {
        metrics.event(outcome);
        if (outcome === 'malformed') malformedEvent(detail);
      },
      lag: metrics.eventLag,
      state: (state: 'live' | 'stale', detail: string): void => {
        if (state === 'live') {
          staleReasons.forget();
          log.info({ event: 'events.subscription_live', detail }, 'listening to events');
          // A NATS that stays away is tried four times a second.
        } else if (staleReasons.isNew(detail)) {
          log.warn(
            { event: 'events.subscription_stale', detail },
            'not listening to events: every answer is read from PostgreSQL until it is',
          );
        }
      },
    },
    policyReload: ({ ok, problems }: { readonly ok: boolean; readonly problems: readonly unknown[] }): void => {
      metrics.policyReload(ok);
      if (ok) log.info('the policy file was read again and is in force');
      else log.error({ problems }, 'the policy file has problems: the policy from before stays in force');
    },
  };
};
