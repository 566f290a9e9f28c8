/** The callbacks by which all parts report: they write log lines and metrics. `docs/operate/log.md` lists the lines. */
import { describeError } from '../errors.ts';
import type { JwksCacheEvent } from '../token/jwks-cache-state.ts';
import { databaseInstrumentation } from './database-instrumentation.ts';
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
