/** Metrics in Prometheus' format, by prom-client. docs/operate/metrics.md lists them. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { codeName } from './code-name.ts';
import { type ConnectionCounts, createConnectionMetrics } from './connection-metrics.ts';

export interface Metrics {
  readonly call: (method: string, code: number, seconds: number) => void;
  /** Counts a call of a known caller. */
  readonly callerCall: (caller: string, code: number) => void;
  /** Counts a call that was refused for its caller, whose name is null for a call that did not authenticate. */
  readonly callerRefused: (caller: string | null, reason: string) => void;
  readonly callersReload: (ok: boolean) => void;
  /** Counts a call that was refused because it could not be answered in time. */
  readonly callShed: () => void;
  readonly decision: (reason: string, source: string) => void;
  readonly event: (outcome: string) => void;
  /** Null while the lag is unknown: the metric then has no value, instead of the last one. */
  readonly eventLag: (messages: number | null) => void;
  readonly redisError: (operation: string) => void;
  readonly redisRefused: (reason: string) => void;
  readonly databaseFault: () => void;
  readonly readRefused: (reason: string) => void;
  readonly badDynamicRoles: (count: number) => void;
  readonly unreadableValue: () => void;
  readonly policyReload: (ok: boolean) => void;
  readonly keyRefresh: (outcome: string) => void;
  readonly defect: () => void;
  /** Adds the metric of the ends of tokens: the end of each caller's last token in milliseconds since the epoch. */
  readonly observeCallers: (lastExpiries: () => ReadonlyMap<string, number>, now: () => number) => void;
  /** Registers the values that are read at each scrape. */
  readonly observe: (read: {
    readonly memoryEntries: () => number;
    /** Reads that wait for a connection to PostgreSQL. */
    readonly readsWaiting: () => number;
    /** Connections whose clients may open no stream. */
    readonly connectionsHeld: () => number;
    /** The source of events and the state of the subscription; null without NATS. */
    readonly subscription: { readonly mode: 'stream' | 'core'; readonly live: () => boolean } | null;
    readonly lagMs: () => number;
  }) => void;
  /** Registers the metrics of connections. Returns a function that counts one that the server ended. */
  readonly connections: (counts: ConnectionCounts, reasons: readonly string[]) => (reason: string) => void;
  readonly scrape: Scrape;
  /** The values of all metrics, for the sums over several workers. */
  readonly snapshot: () => Promise<MetricsSnapshot>;
}

/** The input of prom-client's aggregation; plain data. */
export type MetricsSnapshot = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

/** Returns Prometheus' text format and its content type. */
export type Scrape = () => Promise<{ readonly text: string; readonly contentType: string }>;

export const METRICS_CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

const LATENCY_BUCKETS = [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** More names than a file of callers can hold. Reloads bring further ones. */
const MAX_CALLER_NAMES = 2_000;

/** No caller of a file can have a name with parentheses. */
const UNAUTHENTICATED_CALLER = '(unauthenticated)';
const OTHER_CALLERS = '(other)';

/** The first names that it is given, and {@link OTHER_CALLERS} for all further ones. */
function boundedNames(max: number): (name: string) => string {
  const known = new Set<string>();
  return (name) => {
    if (known.has(name)) return name;
    if (known.size === max) return OTHER_CALLERS;
    known.add(name);
    return name;
  };
}

/** Creates the metrics in a new registry. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const total = (name: string, help: string): Counter => new Counter({ name, help, registers });
  const totals = (name: string, help: string, label: string, values: readonly string[]) => {
    const counter = new Counter({ name, help, labelNames: [label], registers });
    // Prometheus sees no increase in a series that begins with 1, so the first failure would raise no alert.
    for (const value of values) counter.inc({ [label]: value }, 0);
    return (value: string): void => counter.inc({ [label]: value });
  };

  /**
   * A counter for every call. It counts in plain numbers and passes them to prom-client at each scrape. prom-client hashes the
   * labels of each increment, which costs as much as the decision that it counts.
   */
  const hotCounter = (name: string, help: string, [first, second]: readonly [string, string]) => {
    const counts = new Map<string, Map<string, { count: number }>>();
    new Counter({
      name,
      help,
      labelNames: [first, second],
      registers,
      collect() {
        this.reset();
        for (const [one, others] of counts) {
          for (const [other, { count }] of others) this.inc({ [first]: one, [second]: other }, count);
        }
      },
    });
    const add = (one: string, other: string): void => {
      const others = counts.get(one) ?? new Map<string, { count: number }>();
      counts.set(one, others.set(other, { count: 1 }));
    };
    return (one: string, other: string): void => {
      const known = counts.get(one)?.get(other);
      if (known === undefined) add(one, other);
      else known.count += 1;
    };
  };

  const calls = hotCounter('assent_requests_total', 'Calls by method and gRPC code.', ['method', 'code']);
  const latency = new Histogram({
    name: 'assent_request_duration_seconds',
    help: 'Time from the decoded call to its answer, by method.',
    labelNames: ['method'],
    buckets: LATENCY_BUCKETS,
    registers,
  });
  const callerName = boundedNames(MAX_CALLER_NAMES);
  const callerCalls = hotCounter('assent_caller_requests_total', 'Calls by caller and gRPC code.', ['caller', 'code']);
  const callerRefusals = hotCounter(
    'assent_caller_refusals_total',
    'Calls that were refused for their caller, by caller and reason.',
    ['caller', 'reason'],
  );
  const callersReloads = totals(
    'assent_callers_reloads_total',
    'Reloads of the file of callers by outcome.',
    'outcome',
    ['ok', 'failed'],
  );
  const shed = total('assent_calls_shed_total', 'Calls that were refused because the process was too late for them.');
  const decisions = hotCounter('assent_decisions_total', 'Decisions by reason and source of the facts.', [
    'reason',
    'source',
  ]);
  const events = totals('assent_events_total', 'Events by outcome.', 'outcome', ['applied', 'malformed', 'unknown']);
  const lag = new Gauge({
    name: 'assent_events_lag_messages',
    help: 'Messages of the stream not yet applied; without a value while there is no live stream.',
    aggregator: 'max',
    registers,
  });
  // A new gauge has the value 0.
  lag.remove();
  const redisErrors = totals('assent_redis_errors_total', 'Redis commands that failed, by operation.', 'operation', [
    'connect',
    'get',
    'set',
    'delete',
  ]);
  const redisRefused = totals(
    'assent_redis_refused_total',
    'Values in Redis that did not answer, by reason.',
    'reason',
    ['unreadable', 'overtaken', 'expired'],
  );
  const databaseFaults = total('assent_database_faults_total', 'Statements that PostgreSQL could not answer.');
  const readsRefused = totals(
    'assent_database_reads_refused_total',
    'Reads that got no connection to PostgreSQL, by reason.',
    'reason',
    ['overload', 'stalled'],
  );
  const badRoles = total('assent_bad_dynamic_roles_total', 'Dynamic roles that could not be read and grant nothing.');
  const unreadable = total(
    'assent_unreadable_values_total',
    'Values in the database that could not be read and count as absent.',
  );
  const reloads = totals('assent_policy_reloads_total', 'Reloads of the policy file by outcome.', 'outcome', [
    'ok',
    'failed',
  ]);
  const refreshes = totals('assent_key_refreshes_total', 'Fetches of token keys by outcome.', 'outcome', [
    'refreshed',
    'refresh-failed',
    'key-skipped',
  ]);
  const defects = total('assent_defects_total', 'Defects in the log: calls answered with INTERNAL, and others.');

  return {
    call: (method, code, seconds) => {
      calls(method, codeName(code));
      latency.observe({ method }, seconds);
    },
    callerCall: (caller, code) => callerCalls(callerName(caller), codeName(code)),
    callerRefused: (caller, reason) =>
      callerRefusals(caller === null ? UNAUTHENTICATED_CALLER : callerName(caller), reason),
    callersReload: (ok) => callersReloads(ok ? 'ok' : 'failed'),
    callShed: () => shed.inc(),
    decision: decisions,
    event: events,
    eventLag: (messages) => (messages === null ? lag.remove() : lag.set(messages)),
    redisError: redisErrors,
    redisRefused,
    databaseFault: () => databaseFaults.inc(),
    readRefused: readsRefused,
    badDynamicRoles: (count) => badRoles.inc(count),
    unreadableValue: () => unreadable.inc(),
    policyReload: (ok) => reloads(ok ? 'ok' : 'failed'),
    keyRefresh: refreshes,
    defect: () => defects.inc(),
    observeCallers: (lastExpiries, now) => {
      new Gauge({
        name: 'assent_caller_token_expiry_seconds',
        help: "Seconds until a caller's last token expires, for callers whose tokens all expire; negative afterwards.",
        labelNames: ['caller'],
        aggregator: 'min',
        registers,
        collect() {
          // Callers that are no longer in the file leave no series behind.
          this.reset();
          for (const [caller, expiresAt] of lastExpiries()) this.set({ caller }, (expiresAt - now()) / 1_000);
        },
      });
    },
    observe: ({ memoryEntries, readsWaiting, connectionsHeld, subscription, lagMs }) => {
      new Gauge({
        name: 'assent_connections_held',
        help: 'Connections whose clients may open no stream, because the process is asked for more than it can answer.',
        registers,
        collect() {
          this.set(connectionsHeld());
        },
      });
      new Gauge({
        name: 'assent_database_reads_waiting',
        help: 'Reads that wait for a connection to PostgreSQL.',
        registers,
        collect() {
          this.set(readsWaiting());
        },
      });
      new Gauge({
        name: 'assent_memory_entries',
        help: 'Facts in memory.',
        registers,
        collect() {
          this.set(memoryEntries());
        },
      });
      new Gauge({
        name: 'assent_events_lag_seconds',
        help: 'Age of the moment up to which every event is known to be applied.',
        aggregator: 'max',
        registers,
        collect() {
          this.set(lagMs() / 1_000);
        },
      });
      new Gauge({
        name: 'assent_events_live',
        help: '1 while the subscription to events is live; 0 while it is stale: every answer is read from PostgreSQL.',
        labelNames: ['mode'],
        // The value of several workers is that of the worst one.
        aggregator: 'min',
        registers,
        collect() {
          if (subscription !== null) this.set({ mode: subscription.mode }, subscription.live() ? 1 : 0);
        },
      });
    },
    connections: (counts, reasons) => createConnectionMetrics(registry, counts, reasons),
    scrape: async () => ({ text: await registry.metrics(), contentType: METRICS_CONTENT_TYPE }),
    snapshot: () => registry.getMetricsAsJSON(),
  };
}
