/** The callbacks by which all parts report: they write log lines and metrics. `docs/operate/log.md` lists the lines. */
import { type Schema, tablesOf } from '../database/models.ts';
import { policyStatements } from '../database/table-access.ts';
import { AssentError, describeError } from '../errors.ts';
import type { JwksCacheEvent } from '../token/jwks-cache-state.ts';
import { defectFields, type Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import { oncePerReason, rateLimited } from './rate-limited-log.ts';

/** The callbacks that the parts of one process take. */
export type Instrumentation = ReturnType<typeof createInstrumentation>;

/** Creates the instrumentation of one process. */
export function createInstrumentation(log: Logger, metrics: Metrics) {
  return {
    call: metrics.call,
    callShed: metrics.callShed,
    decision: metrics.decision,
    defect: defectInstrumentation(log, metrics),
    ...callerInstrumentation(log, metrics),
    ...databaseInstrumentation(log, metrics),
    ...redisInstrumentation(log, metrics),
    events: eventInstrumentation(log, metrics),
    /** @param source The place where the keys are published. */
    keys: (event: JwksCacheEvent, source: string): void => {
      metrics.keyRefresh(event.kind);
      logJwksEvent(log, event, source);
    },
    policyReload: ({ ok, problems }: { readonly ok: boolean; readonly problems: readonly unknown[] }): void => {
      metrics.policyReload(ok);
      if (ok) log.info({ event: 'policy.reloaded' }, 'the changed policy file is in effect');
      else
        log.error({ event: 'policy.refused', problems }, 'the changed policy file has problems: the old policy stays');
    },
  };
}

/** @returns Reports a defect, and the call in which it showed where that is known. */
function defectInstrumentation(log: Logger, metrics: Metrics) {
  const write = rateLimited(([error, call]: readonly [unknown, CallNames?], suppressed) =>
    log.error(
      { event: 'call.defect', ...defectFields(error), ...call, suppressed },
      'a defect: a call was answered with INTERNAL',
    ),
  );
  return (error: unknown, call?: CallNames): void => {
    metrics.defect();
    write(call === undefined ? [error] : [error, call]);
  };
}

interface CallNames {
  readonly method: string;
  readonly caller: string | null;
}

function callerInstrumentation(log: Logger, metrics: Metrics) {
  // By reason: strangers without a token must not hide that a caller is over its rate.
  const refused = new Map<string, (call: CallNames & { readonly reason: string }) => void>();
  const refusedFor = (reason: string) => {
    const write =
      refused.get(reason) ??
      rateLimited((call, suppressed) =>
        log.warn({ event: 'callers.call_refused', ...call, suppressed }, 'a call was refused for its caller'),
      );
    refused.set(reason, write);
    return write;
  };
  return {
    callerCall: metrics.callerCall,
    callerRefused: (caller: string | null, method: string, reason: string): void => {
      metrics.callerRefused(caller, reason);
      refusedFor(reason)({ caller, method, reason });
    },
    callersReload: ({ ok, problems }: { readonly ok: boolean; readonly problems: readonly unknown[] }): void => {
      metrics.callersReload(ok);
      if (ok) log.info({ event: 'callers.reloaded' }, 'the changed file of callers is in effect');
      else
        log.error(
          { event: 'callers.refused', problems },
          'the changed file of callers has problems: the old callers stay',
        );
    },
    tlsReload: ({ ok, problems }: { readonly ok: boolean; readonly problems: readonly unknown[] }): void => {
      if (ok) log.info({ event: 'tls.reloaded' }, 'the changed TLS files are in effect for new connections');
      else
        log.error({ event: 'tls.refused', problems }, 'the changed TLS files have problems: the old certificates stay');
    },
    callerExpiry: {
      onExpired: (caller: string): void =>
        log.warn(
          { event: 'callers.token_expired', caller },
          'a token in the file of callers has expired: it is refused, and can be removed',
        ),
      onExpiring: (caller: string, expiresAt: number): void =>
        log.warn(
          { event: 'callers.token_expires_soon', caller, expires: new Date(expiresAt).toISOString() },
          'the last token of a caller expires soon: add another one to the file of callers',
        ),
    },
  };
}

/**
 * Counts the connections that the server ends, and writes a line at most every five seconds for each reason.
 * @param counted Counts one.
 */
export function connectionsInstrumentation(
  log: Logger,
  counted: (reason: string) => void,
): (reason: string, address: string | undefined) => void {
  const lines = new Map<string, (address: string | undefined) => void>();
  const lineOf = (reason: string) =>
    rateLimited((address: string | undefined, suppressed) =>
      log.warn(
        { event: 'server.connection_ended', reason, address, suppressed },
        'the server ended a connection: its caller has not authenticated, or there are too many',
      ),
    );
  return (reason, address) => {
    counted(reason);
    const line = lines.get(reason) ?? lineOf(reason);
    lines.set(reason, line);
    line(address);
  };
}

/** True for an error that only means that PostgreSQL cannot be reached at the moment. */
export function isDatabaseAway(error: unknown): boolean {
  return error instanceof AssentError && (error.code === 'DATABASE_UNAVAILABLE' || error.code === 'OVERLOADED');
}

function counted(count: () => void, write: (error: unknown) => void): (error: unknown) => void {
  return (error) => {
    count();
    write(error);
  };
}

function databaseInstrumentation(log: Logger, metrics: Metrics) {
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

function redisInstrumentation(log: Logger, metrics: Metrics) {
  const redisFault = rateLimited((error, suppressed) =>
    log.warn(
      { event: 'redis.fault', error: describeError(error), suppressed },
      'Redis could not answer: its entries count as misses',
    ),
  );
  return {
    redisError: (operation: string, error: unknown): void => {
      metrics.redisError(operation);
      redisFault(error);
    },
    redisRefused: metrics.redisRefused,
    redisReady: (): void => log.info({ event: 'redis.connected' }, 'Redis is connected'),
  };
}

function eventInstrumentation(log: Logger, metrics: Metrics) {
  const malformed = rateLimited((detail, suppressed) =>
    log.warn({ event: 'events.malformed', detail, suppressed }, 'an event without its ids counts as betterauth.resync'),
  );
  const staleReasons = oncePerReason();
  return {
    event: (outcome: string, detail: { readonly subject: string; readonly problem?: string }): void => {
      metrics.event(outcome);
      if (outcome === 'malformed') malformed(detail);
    },
    lag: metrics.eventLag,
    /** The listener retries every 250 ms while the subscription is stale: each reason is logged once. */
    state: (state: 'live' | 'stale', detail: string): void => {
      if (state === 'live') {
        staleReasons.reset();
        log.info({ event: 'events.subscription_live', detail }, 'the subscription to events is live');
      } else if (staleReasons.isNew(detail)) {
        log.warn(
          { event: 'events.subscription_lost', detail },
          'the subscription to events is stale: every answer is read from PostgreSQL until it is live',
        );
      }
    },
  };
}

function logJwksEvent(log: Logger, event: JwksCacheEvent, source: string): void {
  switch (event.kind) {
    case 'refreshed':
      log.debug({ event: 'jwks.refreshed', source, keys: event.keys }, 'the keys of tokens were read');
      break;
    case 'key-skipped':
      log.warn(
        { event: 'jwks.key_skipped', source, kid: event.kid, reason: event.reason },
        'a key of tokens cannot be used and is skipped',
      );
      break;
    case 'refresh-failed': {
      const { error, failures, retryInMs } = event;
      log.warn(
        { event: 'jwks.refresh_failed', source, error: describeError(error), failures, retryInMs },
        'the keys of tokens could not be read: the earlier ones stay',
      );
    }
  }
}
