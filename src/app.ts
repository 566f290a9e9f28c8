/**
 * The map: every part of the service, in the order in which a request meets them (transport, rpc, token and permission,
 * cache, database), and the way of an event (NATS, events, cache).
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { createEntrySeal } from './cache/entry.ts';
import { createFactsCache } from './cache/facts-cache.ts';
import { databaseFacts } from './cache/facts-loader.ts';
import { createMemoryStore } from './cache/memory.ts';
import { createPositions, createTtlPositions } from './cache/positions.ts';
import { clearOnChange, redisFacts } from './cache/redis-facts.ts';
import { createRedisStore } from './cache/redis-store.ts';
import { systemClock } from './clock.ts';
import type { Config } from './config.ts';
import { createDirectory } from './database/directory.ts';
import { createListener } from './events/listener.ts';
import { sharedView } from './permission/shared-view.ts';
import { createPolicyStore } from './policy-store/policy-store.ts';
import { createHandlers } from './rpc/handlers.ts';
import { createPageTokens } from './rpc/page-token.ts';
import type { Logger } from './telemetry/log.ts';
import type { Metrics, Scrape } from './telemetry/metrics.ts';
import { observers } from './telemetry/observers.ts';
import { startTraces } from './telemetry/traces.ts';
import { databaseKeySource } from './token/database-keys.ts';
import { createKeySet } from './token/key-set.ts';
import { remoteKeySource } from './token/remote-jwks.ts';
import { createTokenVerifier } from './token/verifier.ts';
import { createCallerGate } from './transport/callers.ts';
import { createDispatcher } from './transport/dispatch.ts';
import { createDoors, type NamedDoor } from './transport/doors.ts';

/** What an entry outlives the TTL by at most: how far back events are heard and changes remembered. */
const MARGIN_MS = 60_000;
const POOL_SIZE = 10;
const STATEMENT_TIMEOUT_MS = 2_000;
/** Bound on a load of facts; a statement that is given up says so itself before it. */
const LOAD_TIMEOUT_MS = 2_500;
/** Beyond this many reads of the database at once, waiting would only make every caller late. */
const MAX_PENDING_READS = 1_000;
const MAX_REMEMBERED_CHANGES = 200_000;
/** How long the start waits for events before it serves without them, from PostgreSQL only. */
const FIRST_PROOF_MS = 3_000;

export interface App {
  /** The doors, in the order in which they open. */
  readonly doors: readonly NamedDoor[];
  /**
   * Reads the policy, finds Better Auth's tables and begins to listen to events.
   * @returns Whether PostgreSQL could be reached.
   * @throws when the policy or the database's schema cannot be used.
   */
  prepare(): Promise<boolean>;
  /** Looks again for Better Auth's tables; rejects as long as they cannot be read. */
  findTables(): Promise<void>;
  /** Stops everything behind the doors. */
  end(): Promise<void>;
}

/**
 * Builds the service. Nothing is connected and nothing listens before {@link App.prepare}.
 * @param metrics Of this process.
 * @param scrape What `/metrics` shows: the metrics of all workers, where there are several.
 */
export const createApp = async (config: Config, log: Logger, metrics: Metrics, scrape: Scrape): Promise<App> => {
  const clock = systemClock;
  const observe = observers(log, metrics);
  const ttlMs = config.ttlSeconds * 1_000;
  const leaseMs = config.leaseSeconds * 1_000;
  const traces = config.traces ? await startTraces(log) : null;
  const policy = createPolicyStore({ path: config.policyPath, onReload: observe.policyReload });

  // database
  const directory = createDirectory({
    ...config.database,
    size: POOL_SIZE,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    maxPending: MAX_PENDING_READS,
    onFault: observe.databaseFault,
    onUnprepared: observe.databaseUnprepared,
    onBadRole: observe.badDynamicRoles,
    clock,
    onSchemaChange: observe.schema,
    onSchemaFault: observe.schemaFault,
  });

  // cache: memory around Redis around PostgreSQL, every entry judged by the positions
  const rememberMs = ttlMs + MARGIN_MS;
  const positions =
    config.nats === null
      ? createTtlPositions(clock)
      : createPositions({ clock, leaseMs, rememberMs, maxRemembered: MAX_REMEMBERED_CHANGES });
  const memory = createMemoryStore(config.memoryEntries);
  const redis =
    config.redisUrl === null
      ? null
      : createRedisStore({ url: config.redisUrl, clock, onError: observe.redisError, onReady: observe.redisReady });
  const database = databaseFacts(directory.facts, clock, LOAD_TIMEOUT_MS);
  // The same in all replicas: signs what comes back from outside, page tokens and entries in Redis.
  const signingSecret = config.hs256.secrets[0] ?? config.database.url;
  const cached =
    redis === null
      ? database
      : redisFacts({
          store: redis,
          positions,
          clock,
          ttlMs,
          seal: createEntrySeal(signingSecret),
          onRefused: observe.redisRefused,
          view: sharedView(policy.current),
          next: database,
        });
  const cache = createFactsCache({ memory, positions, clock, ttlMs, cached, database });
  metrics.observe({ memoryEntries: memory.size, hearing: positions.hearing, lagMs: positions.lagMs });

  // token
  const { jwks, hs256 } = config;
  const keys =
    jwks === null
      ? null
      : createKeySet(jwks.source === 'database' ? databaseKeySource(directory.keys) : remoteKeySource(jwks.source), {
          clock,
          onEvent: observe.keys,
        });
  const verifier = await createTokenVerifier({
    hs256: hs256.secrets.length === 0 ? null : hs256,
    asymmetric: keys === null || jwks === null ? null : { keys, issuer: jwks.issuer, audience: jwks.audience },
    now: clock.now,
  });

  // rpc and transport
  const services = {
    verifier,
    cache,
    directory,
    policy: policy.current,
    pageTokens: createPageTokens(signingSecret),
    clock,
    onDecision: observe.decision,
  };
  const dispatcher = createDispatcher({
    handlers: createHandlers(services, observe.defect),
    gate: createCallerGate(config.callers),
    replica: `${hostname()}:${process.pid}:${randomUUID().slice(0, 8)}`,
    position: () => {
      const { epoch, seq } = positions.stamp();
      return `${epoch}:${seq}`;
    },
    onCall: observe.call,
    onDefect: observe.defect,
    traceCall: traces?.call ?? null,
  });
  const doors = createDoors(config, dispatcher, scrape);

  // events
  const startListening = () =>
    config.nats &&
    createListener({
      ...config.nats,
      windowMs: rememberMs,
      proofIntervalMs: leaseMs / 4,
      sink: redis === null ? positions : clearOnChange(positions, redis),
      observer: observe.events,
      clock,
    });
  let listener: ReturnType<typeof startListening> = null;

  const findTables = async (): Promise<void> => {
    observe.schema(await directory.schema());
    // A first fetch that fails is tried again by the key set itself.
    await keys?.start();
  };

  return {
    doors,
    prepare: async () => {
      await policy.start();
      listener = startListening();
      const [found] = await Promise.all([
        findTables().then(
          () => true,
          (error: unknown) => {
            if (observe.isAway(error)) return false;
            throw error;
          },
        ),
        listener?.readyWithin(FIRST_PROOF_MS),
      ]);
      return found;
    },
    findTables,
    end: async () => {
      policy.stop();
      keys?.stop();
      await listener?.stop();
      redis?.end();
      await traces?.stop();
      await directory.end();
    },
  };
};
