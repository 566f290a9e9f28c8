/** How each kind of fault is made, and made good. */
import { Redis } from 'ioredis';
import type { JetStreamManager } from 'nats';
import { type Server, withClient } from '../tools/local-services/index.ts';
import type { Link, LinkState } from './links.ts';
import { type FaultKind, type PlannedFault, partOf } from './plan.ts';
import { leaderOf, makeStream, STREAM, untilDone, withJetStream } from './topology.ts';
import type { World } from './world.ts';

/** Breaks something and returns what makes it whole again. */
type Break = (world: World, fault: PlannedFault) => Promise<() => Promise<void>>;

const replicaOf = (world: World, { target }: PlannedFault) => {
  const replica = world.replicas[target === 'all' ? 0 : target];
  if (replica === undefined) throw new Error('no such replica');
  return replica;
};

const signalAll = (pids: readonly number[], name: NodeJS.Signals): void => {
  for (const pid of pids) {
    try {
      process.kill(pid, name);
    } catch {
      // It has ended.
    }
  }
};

const withRedis = async <T>(world: World, work: (redis: Redis) => Promise<T>): Promise<T> => {
  const redis = new Redis(world.redis.url, { lazyConnect: true });
  try {
    await redis.connect();
    return await work(redis);
  } finally {
    redis.disconnect();
  }
};

/** The server, looked for when the fault begins. */
type Find = (world: World, fault: PlannedFault) => Server | Promise<Server>;

const there = (server: Server | null | undefined): Server => {
  if (server === null || server === undefined) throw new Error('no such server');
  return server;
};
const redis: Find = (world) => world.redis;
const nats: Find = ({ nats: { servers } }, { target }) => there(servers[target === 'all' ? 0 : target]);
const natsEntry: Find = (world) => there(world.nats.entry);
const natsLeader: Find = ({ nats: world }) =>
  untilDone(async () =>
    there(world.servers[leaderOf(world, await withJetStream(world, (manager) => manager.streams.info(STREAM)))]),
  );

const stopServer =
  (find: Find): Break =>
  async (world, fault) => {
    const server = await find(world, fault);
    await server.kill('SIGSTOP');
    return () => server.kill('SIGCONT');
  };

const killServer =
  (find: Find, empty = false): Break =>
  async (world, fault) => {
    const server = await find(world, fault);
    await server.kill('SIGKILL');
    return () => server.restart({ empty });
  };

/** Killed at the end of the time and not at its start: what was written meanwhile is what the snapshot lacks. */
const rollBackRedis: Break = async (world) => {
  await withRedis(world, (redis) => redis.save());
  return async () => {
    await world.redis.kill('SIGKILL');
    await world.redis.restart();
  };
};

const evict: Break = async (world) => {
  await withRedis(world, async (redis) => {
    const used = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);
    await redis.config('SET', 'maxmemory-policy', 'allkeys-random');
    // Below what is used already: each write throws out others, and some are refused.
    await redis.config('SET', 'maxmemory', Math.round(used * 0.9));
  });
  return () => withRedis(world, async (redis) => void (await redis.config('SET', 'maxmemory', 0)));
};

/** Done to the stream of servers that serve: after a fault of before JetStream may not be ready yet, or the stream missing. */
const spoilStream =
  (spoil: (manager: JetStreamManager, world: World) => Promise<unknown>): Break =>
  async (world) => {
    await untilDone(() => withJetStream(world.nats, (manager) => spoil(manager, world)));
    return async () => {};
  };

/** A replica that misses the stream makes one on a single server: where there are several, this is mostly faster. */
const deleteStream = async (manager: JetStreamManager, { nats: { topology, servers } }: World): Promise<void> => {
  await manager.streams.delete(STREAM);
  if (servers.length > 1) await makeStream(manager, topology).catch(() => {});
};

/** All of its processes: a postmaster that is gone would else leave sessions that end in their own time. */
const killPostgres: Break = async ({ postgres }) => {
  const pids = await withClient(postgres.url, async (client) => {
    const { rows } = await client.query<{ pid: number }>('SELECT pid FROM pg_stat_activity');
    return rows.map(({ pid }) => pid);
  });
  await postgres.kill('SIGKILL');
  signalAll(pids, 'SIGKILL');
  // It does not start on shared memory that a session of before still has.
  return () => untilDone(() => postgres.restart());
};

/** The sessions of the replicas, each a process. */
const stopPostgres: Break = async (world) => {
  const pids = await withClient(world.postgres.url, async (client) => {
    const { rows } = await client.query<{ pid: number }>(
      "SELECT pid FROM pg_stat_activity WHERE usename = 'assent' AND backend_type = 'client backend'",
    );
    return rows.map(({ pid }) => pid);
  });
  signalAll(pids, 'SIGSTOP');
  return async () => signalAll(pids, 'SIGCONT');
};

type ToState = LinkState['state'];

const breakAll = async (links: readonly Link[], to: ToState, delayMs: number): Promise<void> => {
  const state: LinkState = to === 'delay' ? { state: to, delayMs } : { state: to };
  await Promise.all(links.map((link) => link.set(state)));
};

const breakLinks =
  (to: ToState): Break =>
  async (world, { kind, target, delayMs }) => {
    const part = partOf(kind);
    if (part === 'replica') throw new Error('a replica has no link');
    const { replicas, publishers } = world.ways[part];
    const links = replicas.filter((_, index) => target === 'all' || target === index);
    if (target === 'all') links.push(...publishers);
    await breakAll(links, to, delayMs);
    return () => breakAll(links, 'whole', 0);
  };

/** The links of one of the stream's servers to the other servers, to the entry where there is one; else all of the entry's. */
const breakBetween =
  (to: ToState): Break =>
  async ({ nats: { between, entry } }, { target, delayMs }) => {
    const links = between
      .filter(({ ends }) => (entry === null || ends.includes(-1)) && (target === 'all' || ends.includes(target)))
      .map(({ link }) => link);
    await breakAll(links, to, delayMs);
    return async () => {
      // A server that began to connect meanwhile would wait for the other end for ever, as none does to which packets come
      // again and that does not know the connection.
      if (to === 'half-open') await breakAll(links, 'cut', 0);
      await breakAll(links, 'whole', 0);
    };
  };

const betweenFaults = <Name extends 'route' | 'gateway' | 'leaf'>(name: Name) =>
  ({
    [`${name}-cut`]: breakBetween('cut'),
    [`${name}-delay`]: breakBetween('delay'),
    [`${name}-half-open`]: breakBetween('half-open'),
    [`${name}-stop`]: breakBetween('stop'),
  }) as Record<`${Name}-${'cut' | 'delay' | 'half-open' | 'stop'}`, Break>;

const linkFaults = <Name extends 'redis' | 'nats' | 'postgres'>(part: Name) =>
  ({
    [`${part}-link-cut`]: breakLinks('cut'),
    [`${part}-link-delay`]: breakLinks('delay'),
    [`${part}-link-half-open`]: breakLinks('half-open'),
    [`${part}-link-stop`]: breakLinks('stop'),
  }) as Record<`${Name}-link-${'cut' | 'delay' | 'half-open' | 'stop'}`, Break>;

export const BREAKS: Readonly<Record<FaultKind, Break>> = {
  'replica-kill': async (world, fault) => {
    await replicaOf(world, fault).kill();
    return () => replicaOf(world, fault).start();
  },
  'replica-stop': async (world, fault) => {
    replicaOf(world, fault).pause();
    return async () => replicaOf(world, fault).resume();
  },
  'redis-kill-empty': killServer(redis, true),
  'redis-kill-snapshot': rollBackRedis,
  'redis-stop': stopServer(redis),
  'redis-evict': evict,
  'nats-kill': killServer(nats),
  'nats-kill-empty': killServer(nats, true),
  'nats-stop': stopServer(nats),
  'nats-server-kill': killServer(nats),
  'nats-leader-stop': stopServer(natsLeader),
  'nats-entry-kill': killServer(natsEntry),
  'nats-entry-stop': stopServer(natsEntry),
  'nats-stream-purge': spoilStream((manager) => manager.streams.purge(STREAM)),
  'nats-stream-delete': spoilStream(deleteStream),
  'postgres-kill': killPostgres,
  'postgres-stop': stopPostgres,
  ...linkFaults('redis'),
  ...linkFaults('nats'),
  ...betweenFaults('route'),
  ...betweenFaults('gateway'),
  ...betweenFaults('leaf'),
  ...linkFaults('postgres'),
};
