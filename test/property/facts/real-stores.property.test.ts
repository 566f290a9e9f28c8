/**
 * The promise on real Redis and NATS: replicas of the real modules in one process, a database that knows every change's
 * version, and faults that a seed chooses. `ASSENT_PROPERTY_RUNS` and `ASSENT_PROPERTY_SEED` change them.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { connect, type JetStreamManager, type NatsConnection } from 'nats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock as clock } from '../../../src/clock.ts';
import { createFactsCache, type FactsCache } from '../../../src/facts/cache.ts';
import { redisKey } from '../../../src/facts/cache-key.ts';
import { databaseTier, type FactsTier } from '../../../src/facts/database-tier.ts';
import { deleteChangedKeys } from '../../../src/facts/delete-changed-keys.ts';
import { createEntryMac } from '../../../src/facts/entry.ts';
import { createFreshnessTracker, type FreshnessTracker } from '../../../src/facts/freshness.ts';
import { createMemoryStore } from '../../../src/facts/memory.ts';
import { createRedisClient } from '../../../src/facts/redis-client.ts';
import { redisTier } from '../../../src/facts/redis-tier.ts';
import { createListener } from '../../../src/invalidation/listener.ts';
import { inOrder } from '../../../src/invalidation/sink.ts';
import type { FactsKey } from '../../../src/policy/facts.ts';
import { CALLER } from '../../support/caller.ts';
import { createDatabaseModel, lacking, newest, type Subject, type Versions } from '../../support/facts/model.ts';
import { testNats } from '../../support/nats.ts';
import { testRedis } from '../../support/redis.ts';
import { until } from '../../support/until.ts';

const RUNS = Math.ceil(Number(process.env['ASSENT_PROPERTY_RUNS'] ?? 300) / 100);
const SEED = Number(process.env['ASSENT_PROPERTY_SEED'] ?? 1);
const TTL_MS = 300_000;
const KEYS: readonly FactsKey[] = [
  { userId: 'u', organizationId: 'o' },
  { userId: 'v', organizationId: 'o' },
  { userId: 'u', organizationId: null },
];
const SUBJECTS = ['u:u', 'u:v', 'o:o', 'p:u:o', 'p:v:o'] as const satisfies readonly Subject[];
const encoder = new TextEncoder();

const redis = await testRedis();
const names = await testNats();
let client: Redis;
let nats: NatsConnection;
let manager: JetStreamManager;
beforeAll(async () => {
  client = new Redis(redis.url);
  nats = await connect({ servers: names.url });
  manager = await nats.jetstreamManager();
});
afterAll(async () => {
  client.disconnect();
  await nats.close();
});

interface Replica {
  readonly cache: FactsCache;
  readonly freshness: FreshnessTracker;
  ready(): Promise<void>;
  stop(): Promise<void>;
}

const startReplica = (read: Parameters<typeof databaseTier>[0], onRefused: () => void): Replica => {
  const freshness = createFreshnessTracker({
    clock,
    leaseMs: 2_000,
    rememberMs: TTL_MS + 60_000,
    maxRemembered: 1_000,
  });
  const store = createRedisClient({
    url: redis.url,
    timeoutMs: 50,
    pauseMs: 500,
    clock,
    onError: () => {},
    onReady: () => {},
  });
  const database = databaseTier(read, clock);
  const mac = createEntryMac(['the secret of all replicas']);
  const view = () => ({ role: '', permissions: [] });
  const cached = redisTier({ store, freshness, clock, ttlMs: TTL_MS, mac, onRefused, view, next: database });
  const listener = createListener({
    ...names,
    mode: 'stream',
    domain: null,
    windowMs: TTL_MS + 60_000,
    renewalIntervalMs: 50,
    sink: inOrder(freshness, deleteChangedKeys(store)),
    observer: { event: () => {}, lag: () => {}, state: () => {} },
    clock,
  });
  return {
    freshness,
    cache: createFactsCache({
      memory: createMemoryStore(100),
      freshness,
      clock,
      ttlMs: TTL_MS,
      leaseMs: 2_000,
      cached,
      database,
    }),
    ready: () => listener.readyWithin(5_000),
    stop: async () => {
      await listener.stop();
      store.end();
    },
  };
};

const place = fc.nat(2);
const operation = fc.oneof(
  { weight: 40, arbitrary: fc.record({ kind: fc.constant('read' as const), replica: place, key: place }) },
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant('change' as const),
      subject: fc.constantFrom(...SUBJECTS),
      lateMs: fc.nat(8),
    }),
  },
  { weight: 20, arbitrary: fc.record({ kind: fc.constant('pause' as const), ms: fc.nat(3) }) },
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constantFrom('evict' as const, 'garbage' as const, 'move' as const), key: place }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('restore' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const), replica: place }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('flush' as const, 'purge' as const, 'delete stream' as const) }),
  },
);
type Operation = typeof operation extends fc.Arbitrary<infer Value> ? Value : never;

const payloadOf = (subject: Subject): readonly [name: string, payload: object] => {
  const [kind, first, second] = subject.split(':');
  if (kind === 'u') return ['user.updated', { userId: first }];
  if (kind === 'o') return ['organization.updated', { organizationId: first }];
  return ['member.role_changed', { userId: first, organizationId: second }];
};

const run = async (operations: readonly Operation[], seen: Map<string, number>): Promise<void> => {
  const count = (what: string): void => void seen.set(what, (seen.get(what) ?? 0) + 1);
  const database = createDatabaseModel();
  const read = async (key: FactsKey) => {
    // A statement sees one moment of the database, after it was sent and before it is answered.
    await delay(Math.random() * 2);
    const facts = database.read(key);
    await delay(Math.random() * 2);
    return facts;
  };
  const start = () => startReplica(read, () => count('refused'));
  const replicas = [start(), start(), start()];
  await Promise.all(replicas.map(({ ready }) => ready()));
  /** The events of each stream, by number. */
  const logs = new Map<string, Map<number, Versions>>();
  let epoch = '';
  const findStream = async (): Promise<void> => {
    await until('the stream', async () => {
      const info = await manager.streams.info(names.stream).catch(() => null);
      epoch = `js:${names.stream}:${info?.created}`;
      return info !== null;
    });
  };
  await findStream();
  let publishing: Promise<void>[] = [];
  const publish = async (subject: Subject, version: number, lateMs: number): Promise<void> => {
    await delay(lateMs);
    const [name, payload] = payloadOf(subject);
    const { seq } = await nats.jetstream().publish(`${names.prefix}.${name}`, encoder.encode(JSON.stringify(payload)));
    const log = logs.get(epoch) ?? new Map<number, Versions>();
    logs.set(epoch, log.set(seq, new Map([[subject, version]])));
  };
  const allPublished = async (): Promise<void> => {
    await Promise.all(publishing);
    publishing = [];
  };

  /** The highest revision of each process, in each epoch. */
  const reached = replicas.map(() => new Map<string, number>());
  const answers: {
    readonly key: FactsKey;
    readonly tier: FactsTier;
    readonly facts: Awaited<ReturnType<typeof read>>;
    readonly knew: ReadonlyMap<string, number>;
  }[] = [];
  const calls: Promise<void>[] = [];
  const call = async (index: number, key: FactsKey): Promise<void> => {
    const replica = replicas[index];
    if (replica === undefined) return;
    const revision = replica.freshness.revision();
    const knew = new Map(reached[index]).set(revision.epoch, revision.seq);
    reached[index] = knew;
    const { facts, tier } = await replica.cache.read(key, false, CALLER);
    count(tier);
    answers.push({ key, tier, facts, knew });
  };
  let snapshot: readonly (readonly [string, string])[] = [];
  const nameOf = (key: number): string => redisKey(KEYS[key] ?? { userId: 'u', organizationId: null });

  for (const one of operations) {
    count(one.kind);
    switch (one.kind) {
      case 'read':
        calls.push(call(one.replica, KEYS[one.key] ?? { userId: 'u', organizationId: null }));
        break;
      case 'change':
        publishing.push(publish(one.subject, database.commit(one.subject), one.lateMs));
        break;
      case 'pause':
        await delay(one.ms);
        break;
      case 'evict':
        await client.del(nameOf(one.key));
        break;
      case 'garbage':
        await client.set(nameOf(one.key), randomBytes(40));
        break;
      case 'move': {
        // A genuine entry of another key.
        const value = await client.get(nameOf((one.key + 1) % KEYS.length));
        if (value !== null) await client.set(nameOf(one.key), value);
        break;
      }
      case 'restore': {
        for (const [name, value] of snapshot) await client.set(name, value);
        const all = await client.keys('perm:*');
        snapshot = await Promise.all(all.map(async (name) => [name, (await client.get(name)) ?? ''] as const));
        break;
      }
      case 'flush':
        await client.flushdb();
        break;
      case 'restart':
        await replicas[one.replica]?.stop();
        replicas[one.replica] = start();
        reached[one.replica] = new Map();
        break;
      case 'purge':
        await manager.streams.purge(names.stream);
        break;
      case 'delete stream':
        await allPublished();
        await manager.streams.delete(names.stream);
        await findStream();
    }
  }
  await Promise.all([...calls, allPublished()]);
  for (const { key, facts, tier, knew } of answers) {
    const must = [...knew].flatMap(([of, seq]) =>
      [...(logs.get(of) ?? [])].filter(([number]) => number <= seq).map(([, versions]) => versions),
    );
    expect(
      lacking(key, facts, [{ because: `${tier}, ${JSON.stringify([...knew])}`, versions: newest(must) }]),
    ).toBeNull();
  }
  // Once all events are applied, every process gives true answers, and from a cache again.
  const { state } = await manager.streams.info(names.stream);
  for (const { freshness, cache } of replicas) {
    await until(
      'everything',
      () => freshness.isLive() && freshness.revision().epoch === epoch && freshness.revision().seq >= state.last_seq,
    );
    for (const key of KEYS) {
      const { facts } = await cache.read(key, false, CALLER);
      expect(lacking(key, facts, [{ because: 'all events were applied', versions: database.versions() }])).toBeNull();
      expect((await cache.read(key, false, CALLER)).tier).toBe('memory');
    }
  }
  await Promise.all(replicas.map(({ stop }) => stop()));
};

describe('the cache on real Redis and NATS', () => {
  it('on real Redis and NATS no answer is older than an applied event', async () => {
    const seen = new Map<string, number>();
    const runs = fc.asyncProperty(fc.array(operation, { minLength: 300, maxLength: 300, size: 'max' }), (operations) =>
      run(operations, seen),
    );
    await fc.assert(runs, { seed: SEED, numRuns: RUNS, endOnFailure: true });
    // Otherwise the run showed nothing.
    for (const what of ['memory', 'redis', 'database', 'refused', 'purge', 'delete stream', 'restart', 'flush']) {
      expect(seen.get(what), what).toBeGreaterThan(0);
    }
  }, 600_000);
});
