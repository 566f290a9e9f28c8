/** A stream on three servers: its leader, or a fourth server without JetStream, is cut off and goes on answering. */
import { connect, type StreamInfo } from 'nats';
import { expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { createFactsCache } from '../../../src/facts/cache.ts';
import { databaseTier } from '../../../src/facts/database-tier.ts';
import { createFreshnessTracker } from '../../../src/facts/freshness.ts';
import { createMemoryStore } from '../../../src/facts/memory.ts';
import { leaderDoubtMs } from '../../../src/invalidation/jetstream.ts';
import { createListener } from '../../../src/invalidation/listener.ts';
import { type NatsServerPlan, startNatsNetwork } from '../../../tools/local-services/index.ts';
import { startProxy, type TcpProxy } from '../../../tools/network/proxy.ts';
import { CALLER } from '../../support/caller.ts';
import { factsOf, KEY, roleOf } from '../../support/facts/harness.ts';
import { until } from '../../support/until.ts';

const STREAM = 'EVENTS';
/** A fourth server: it has no JetStream, and routes to the three. */
const EDGE = 3;
const LEASE_MS = 2_000;
const nameOf = (server: number): string => `server-${server}`;
const PLANS = [0, 1, 2, EDGE].map(
  (server): NatsServerPlan => ({ name: nameOf(server), cluster: 'cluster', jetstream: server !== EDGE }),
);

/** Three servers with JetStream and a fourth without. All routes between them go through proxies. */
const startCluster = async () => {
  const routes: { readonly ends: readonly string[]; readonly proxy: TcpProxy }[] = [];
  const servers = await startNatsNetwork(PLANS, async ({ from, to, port }) => {
    const proxy = await startProxy(port);
    onTestFinished(() => proxy.close());
    routes.push({ ends: [from, to], proxy });
    return proxy.port;
  });
  for (const server of servers) onTestFinished(() => server.stop());
  const routesOf = (server: number): TcpProxy[] =>
    routes.filter(({ ends }) => ends.includes(nameOf(server))).map(({ proxy }) => proxy);
  return {
    servers,
    urls: servers.map(({ url }) => url),
    isolate: (server: number): void => {
      for (const proxy of routesOf(server)) proxy.setMode('stall');
    },
    /** Ends the routes of a server, which both ends notice at once. */
    cut: (server: number): void => {
      for (const proxy of routesOf(server)) {
        proxy.setMode('refuse');
        proxy.cut();
      }
    },
    heal: (server: number): void => {
      for (const proxy of routesOf(server)) proxy.setMode('pass');
    },
  };
};
const connectTo = async (url: string) => {
  const client = await connect({ servers: url });
  onTestFinished(() => client.close());
  return client;
};

/** Creates a stream with three replicas. Resolves with its leader's number once all replicas follow. */
const createStream = async (url: string): Promise<number> => {
  const client = await connectTo(url);
  const manager = await client.jetstreamManager({ checkAPI: false });
  await until(
    'a stream on three servers',
    () =>
      manager.streams.add({ name: STREAM, subjects: ['betterauth.>'], num_replicas: 3 }).then(
        () => true,
        () => false,
      ),
    30_000,
  );
  let leader = -1;
  await until('replicas that follow', async () => {
    const { cluster: group } = await manager.streams.info(STREAM);
    leader = Number(group?.leader?.at(-1));
    return group?.replicas?.every(({ current }) => current) === true;
  });
  return leader;
};
/** A process that is connected to one server. */
const listen = (url: string) => {
  const freshness = createFreshnessTracker({
    ...{ clock: systemClock, leaseMs: LEASE_MS, rememberMs: 360_000, maxRemembered: 1_000 },
  });
  const states: string[] = [];
  const listener = createListener({
    ...{ url, stream: STREAM, prefix: 'betterauth', mode: 'stream', domain: null },
    ...{ windowMs: 360_000, renewalIntervalMs: LEASE_MS / 4 },
    sink: freshness,
    clock: systemClock,
    observer: { event: () => {}, lag: () => {}, state: (state, detail) => states.push(`${state}: ${detail}`) },
  });
  onTestFinished(() => listener.stop());
  return { freshness, states };
};

it('the lease ends when the majority of servers no longer answers the leader', { timeout: 60_000 }, async () => {
  const cluster = await startCluster();
  const leader = await createStream(cluster.urls[0] ?? '');
  const { freshness } = listen(cluster.urls[leader] ?? '');
  await until('a lease', () => freshness.isLive());
  const publisher = await connectTo(cluster.urls.find((_, server) => server !== leader) ?? '');
  const publish = () => publisher.jetstream().publish('betterauth.user.updated', '{"userId":"u"}', { timeout: 500 });
  const { seq: first } = await publish();
  await until('an event', () => freshness.revision().seq >= first);

  cluster.isolate(leader);
  const before = freshness.revision().seq;
  await until(
    'an event that the new leader acknowledges',
    () =>
      publish().then(
        ({ seq }) => seq > before,
        () => false,
      ),
    30_000,
  );
  // It was made after the old one had been silent for longer than the lease.
  expect(freshness.isLive()).toBe(false);
  expect(freshness.revision().seq).toBe(before);
});

it('a process whose server has lost its route to JetStream answers no revoked grant, and becomes live again by itself', {
  timeout: 60_000,
}, async () => {
  const cluster = await startCluster();
  await createStream(cluster.urls[0] ?? '');
  const { freshness, states } = listen(cluster.urls[EDGE] ?? '');
  await until('a live subscription', () => freshness.isLive(), 30_000);
  const publisher = await connectTo(cluster.urls[0] ?? '');

  let role: string | null = 'owner';
  const database = databaseTier(async () => factsOf(role), systemClock);
  const cache = createFactsCache({
    ...{ memory: createMemoryStore(10), freshness, clock: systemClock, ttlMs: 300_000, leaseMs: LEASE_MS },
    ...{ cached: database, database },
  });
  await cache.read(KEY, false, CALLER);
  expect(await cache.read(KEY, false, CALLER)).toMatchObject({ tier: 'memory' });

  cluster.cut(EDGE);
  // The process finds out and tries again, and the grant is read meanwhile.
  const reading = performance.now();
  await until('two leases', async () => {
    await cache.read(KEY, false, CALLER);
    return performance.now() - reading > 2 * LEASE_MS;
  });
  role = null;
  const { seq } = await publisher
    .jetstream()
    .publish('betterauth.member.removed', JSON.stringify(KEY), { timeout: 5_000 });
  const acknowledged = performance.now();
  await until('an answer that had to show the revocation', async () => {
    const late = performance.now() - acknowledged;
    const { facts } = await cache.read(KEY, false, CALLER);
    // From one lease after the acknowledgement on, until the server has answered pings for another two.
    if (late > LEASE_MS) expect({ late, role: roleOf(facts) }).toEqual({ late, role: null });
    return late > 3 * LEASE_MS;
  });
  expect(freshness.isLive()).toBe(false);
  // Depends on the version of the server: no responders, or no answer.
  expect(states.at(-1)).toMatch(/^stale: (?:JetStream does not answer|NATS did not answer in time)/);

  cluster.heal(EDGE);
  await until('a live subscription again', () => freshness.isLive(), 30_000);
  expect(freshness.revision()).toMatchObject({ seq, epoch: expect.stringContaining(`js:${STREAM}:`) });
});

it('a process is stale while its stream has no leader, and becomes live again by itself', {
  timeout: 60_000,
}, async () => {
  const cluster = await startCluster();
  const leader = await createStream(cluster.urls[0] ?? '');
  const [first = 0, second = 0] = [0, 1, 2].filter((server) => server !== leader);
  const { freshness, states } = listen(cluster.urls[leader] ?? '');
  await until('a live subscription', () => freshness.isLive(), 30_000);
  const { epoch } = freshness.applied();
  // The one that is left is no majority.
  await Promise.all([first, second].map((server) => cluster.servers[server]?.kill('SIGKILL')));
  await until('the lease to run out', () => !freshness.isLive(), 30_000);
  await until('two tries', () => states.filter((state) => state.startsWith('stale')).length > 1, 30_000);
  expect(freshness.isLive()).toBe(false);
  await Promise.all([first, second].map((server) => cluster.servers[server]?.restart()));
  await until('a live subscription again', () => freshness.isLive(), 30_000);
  expect(freshness.applied().epoch).toBe(epoch);
});

it('the doubt about a leader is the time since a majority of servers last answered it', () => {
  const doubt = (...replicas: readonly [active: number, current?: boolean, offline?: boolean][]) =>
    leaderDoubtMs({
      cluster: {
        replicas: replicas.map(([active, current = true, offline = false]) => ({
          ...{ name: '', lag: 0, active: active * 1_000_000, current, offline },
        })),
      },
    } as Pick<StreamInfo, 'cluster'>);
  expect(leaderDoubtMs({} as Pick<StreamInfo, 'cluster'>)).toBe(0);
  expect(doubt()).toBe(0);
  // Of three one other is needed, of five two.
  expect(doubt([900], [300])).toBe(300);
  expect(doubt([40], [900], [10], [700])).toBe(40);
  expect(doubt([0, true], [900])).toBe(0);
  expect(doubt([0, false], [900])).toBe(900);
  expect(doubt([5, true, true], [5, true, true])).toBe(Number.POSITIVE_INFINITY);
});
