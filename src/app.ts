/**
 * The composition of the service. Each part gets the parts that it calls, so the parts are made in the opposite order of a
 * call: a request passes server, rpc, then token, policy and facts (memory, Redis), then the database. An event passes the
 * listener, then freshness.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { AuthService } from '../gen/assent/auth/v1/auth_service_pb.ts';
import { ownDemand } from './admission/demand.ts';
import { createCallersStore } from './callers/store.ts';
import { systemClock } from './clock.ts';
import { callersOf } from './config/caller-tokens.ts';
import type { Config } from './config/index.ts';
import { createDirectory } from './database/directory.ts';
import { createFactsCache } from './facts/cache.ts';
import { databaseTier } from './facts/database-tier.ts';
import { deleteChangedKeys } from './facts/delete-changed-keys.ts';
import { createEntryMac } from './facts/entry.ts';
import { createFreshnessTracker, createTtlFreshness } from './facts/freshness.ts';
import { createMemoryStore } from './facts/memory.ts';
import { createRedisClient } from './facts/redis-client.ts';
import { redisTier } from './facts/redis-tier.ts';
import { momentOf } from './invalidation/jetstream.ts';
import { createListener } from './invalidation/listener.ts';
import { inOrder } from './invalidation/sink.ts';
import { LIMITS } from './limits.ts';
import { sharedView } from './policy/list.ts';
import { createPolicyStore } from './policy/store.ts';
import { createHandlers } from './rpc/handlers.ts';
import { createPageTokens } from './rpc/page-token.ts';
import { acceptEveryCall, createCallerAuthentication } from './server/caller-authentication.ts';
import { Connections, END_REASONS, MAX_STRANGERS } from './server/connections.ts';
import { MAX_STREAMS_PER_CONNECTION } from './server/limits.ts';
import { API_RULES, methodsOf } from './server/methods.ts';
import { createLoadControl } from './server/overload/load-control.ts';
import { createPipeline } from './server/pipeline.ts';
import { createServers } from './server/servers.ts';
import { createTlsFiles } from './server/tls-files.ts';
import { type App, createLifecycle } from './service.ts';
import { isDatabaseAway } from './telemetry/database-instrumentation.ts';
import { connectionsInstrumentation, createInstrumentation } from './telemetry/instrumentation.ts';
import type { Logger } from './telemetry/log.ts';
import type { Metrics, Scrape } from './telemetry/metrics.ts';
import { startTraces } from './telemetry/traces.ts';
import { createIssuerKeys } from './token/jwks-sources.ts';
import { createTokenVerifier } from './token/verifier.ts';

/**
 * Builds the service. Nothing is connected and nothing listens before `prepare`.
 * @param metrics The metrics of this process.
 * @param scrape The content of `/metrics`: with several workers the metrics of all of them.
 * @param replicaKey Signs entries in Redis when no signing key is configured. It is random, and the same in all workers.
 */
export async function createApp(
  config: Config,
  log: Logger,
  metrics: Metrics,
  scrape: Scrape,
  replicaKey: string,
): Promise<App> {
  const clock = systemClock;
  const observe = createInstrumentation(log, metrics);
  const ttlMs = config.ttlSeconds * 1_000;
  const leaseMs = config.leaseSeconds * 1_000;
  const traces = config.traces ? await startTraces(log) : null;
  const policy = createPolicyStore({ path: config.policyPath, onReload: observe.policyReload });

  const rememberMs = ttlMs + LIMITS.marginMs;
  const freshness =
    config.nats === null
      ? createTtlFreshness(clock)
      : createFreshnessTracker({ clock, leaseMs, rememberMs, maxRemembered: LIMITS.rememberedChanges });

  // database
  const { hs256, issuers, jwksGraceMs } = config.tokens;
  const onlyStoredKeys = hs256.secrets.length === 0 && issuers.every(({ keys }) => keys === 'database');
  const directory = createDirectory({
    ...config.database,
    size: config.pool.connections,
    statementTimeoutMs: config.pool.statementTimeoutMs,
    overloadWaitMs: config.pool.overloadWaitMs,
    onRefused: observe.readRefused,
    onFault: observe.databaseFault,
    onUnprepared: observe.databaseUnprepared,
    onWritable: observe.writableTable,
    onBadRole: observe.badDynamicRoles,
    onUnreadable: observe.unreadableValue,
    clock,
    onSchema: (schema, dataSourceId, alike) => {
      freshness.setDataSource(dataSourceId);
      observe.schema(schema, alike, onlyStoredKeys);
    },
    onSchemaFault: observe.schemaFault,
  });

  // cache: memory around Redis around PostgreSQL, every entry judged by the freshness tracker
  const memory = createMemoryStore(config.memoryEntries);
  const redis =
    config.redis === null
      ? null
      : createRedisClient({ ...config.redis, clock, onError: observe.redisError, onReady: observe.redisReady });
  const database = databaseTier(directory.facts, clock);
  const cached =
    redis === null
      ? database
      : redisTier({
          store: redis,
          freshness,
          clock,
          ttlMs,
          mac: createEntryMac(config.signingKeys.length > 0 ? config.signingKeys : [replicaKey]),
          onRefused: observe.redisRefused,
          view: sharedView(policy.current),
          next: database,
        });
  const cache = createFactsCache({ memory, freshness, clock, ttlMs, leaseMs, cached, database });
  const load = createLoadControl({ maxStreams: MAX_STREAMS_PER_CONNECTION, onShed: observe.callShed });
  metrics.observe({
    connectionsHeld: load.held,
    memoryEntries: memory.size,
    readsWaiting: directory.waiting,
    subscription: config.nats && { mode: config.nats.mode, live: freshness.isLive },
    lagMs: freshness.lagMs,
  });

  // token
  const keys = createIssuerKeys(issuers, {
    readRows: (signal) => directory.jwks(ownDemand(signal)),
    graceMs: jwksGraceMs,
    clock,
    onEvent: observe.keys,
  });
  const verifier = createTokenVerifier({
    hs256: hs256.secrets.length === 0 ? null : hs256,
    issuers: keys.issuers,
    now: clock.now,
  });

  // rpc and server
  const services = {
    verifier,
    cache,
    directory,
    policy: policy.current,
    pageTokens: createPageTokens(config.signingKeys),
    clock,
    onDecision: observe.decision,
  };
  const entries = config.callersFile?.entries ?? callersOf(config.callers);
  const callers = createCallersStore({
    file: config.callersFile,
    entries,
    workers: config.workers,
    now: clock.now,
    onReload: observe.callersReload,
    expiry: observe.callerExpiry,
  });
  if (config.callersFile !== null) metrics.observeCallers(callers.lastExpiries, clock.now);
  const pipeline = createPipeline({
    authenticate: entries.length === 0 ? acceptEveryCall : createCallerAuthentication(callers.current, clock),
    openCalls: callers.openCalls,
    replica: `${hostname()}:${process.pid}:${randomUUID().slice(0, 8)}`,
    position: () => {
      const { epoch, seq, takenAt } = freshness.applied();
      return { revision: `${epoch}:${seq}`, takenAt: takenAt === null ? null : momentOf(takenAt) };
    },
    onCall: observe.call,
    onCallerCall: observe.callerCall,
    onCallerRefused: observe.callerRefused,
    onShed: observe.callShed,
    onDefect: observe.defect,
    traceCall: traces?.call ?? null,
  });
  const api = methodsOf(AuthService, createHandlers(services), API_RULES);
  const http1Bounds = { keepAliveTimeout: config.keepAliveMs };
  const connections = new Connections({
    total: config.connections.max,
    perAddress: config.connections.maxPerAddress,
    strangers: MAX_STRANGERS,
    callersAuthenticate: entries.length > 0,
    onEnded: (reason, address) => connectionEnded(reason, address),
  });
  callers.openCalls.onReview((holds) => connections.review(holds));
  const connectionEnded = connectionsInstrumentation(log, metrics.connections(connections, END_REASONS));
  const servers = createServers({ ...config, load, pipeline, connections, api, metrics: scrape, http1Bounds });

  // events
  const { nats } = config;
  // Each event goes through these parts in this order. The cache and Redis are not among them: they judge an entry when it is
  // read, by the freshness tracker. `observe.events` counts the event afterwards.
  const sink = inOrder(freshness, ...(redis === null ? [] : [deleteChangedKeys(redis)]));
  const listen = () =>
    nats &&
    createListener({
      ...nats,
      windowMs: rememberMs,
      renewalIntervalMs: leaseMs / 4,
      sink,
      observer: observe.events,
      clock,
    });

  const { tls, tlsFiles } = config;
  const certificates =
    tls === null || tlsFiles === null
      ? null
      : createTlsFiles({ files: tlsFiles, tls, use: servers.setTls, onReload: observe.tlsReload });
  const lifecycle = createLifecycle({
    policy,
    callers,
    certificates,
    directory,
    keys,
    redis,
    traces,
    listen,
    isDatabaseAway,
  });
  return { servers, lameDuckMs: config.lameDuckMs, ...lifecycle };
}
