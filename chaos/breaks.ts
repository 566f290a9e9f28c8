/** How each kind of fault is made, and made good. */
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { connect, type JetStreamManager } from 'nats';
import { withClient } from '../test/support/services/index.ts';
import type { LinkState } from './links.ts';
import { type FaultKind, type PlannedFault, partOf } from './plan.ts';
import { STREAM } from './publisher.ts';
import type { World } from './world.ts';

/** Breaks something and returns what makes it whole again. */
type Break = (world: World, fault: PlannedFault) => Promise<() => Promise<void>>;

const replicaOf = (world: World, { target }: PlannedFault) => {
  const replica = world.replicas[target === 'all' ? 0 : target];
  if (replica === undefined) throw new Error('no such replica');
  return replica;
};

/** For what needs a server that a fault of before has just let go. */
const READY_MS = 10_000;
const RETRY_MS = 100;

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

const stopServer =
  (server: 'redis' | 'nats'): Break =>
  async (world) => {
    await world[server].kill('SIGSTOP');
    return () => world[server].kill('SIGCONT');
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

/** Done to the stream of a server that serves; whoever misses it makes it anew. */
const spoilStream =
  (spoil: (manager: JetStreamManager) => Promise<unknown>): Break =>
  async (world) => {
    const deadline = performance.now() + READY_MS;
    for (;;) {
      try {
        const connection = await connect({ servers: world.nats.url, reconnect: false, timeout: RETRY_MS * 5 });
        try {
          await spoil(await connection.jetstreamManager({ timeout: RETRY_MS * 5 }));
          return async () => {};
        } finally {
          await connection.close();
        }
      } catch (error) {
        // After a fault of before JetStream may not be ready yet, or nobody has made the stream.
        if (performance.now() > deadline) throw error;
        await delay(RETRY_MS);
      }
    }
  };

/** All of its processes: a postmaster that is gone would else leave sessions that end in their own time. */
const killPostgres: Break = async ({ postgres }) => {
  const pids = await withClient(postgres.url, async (client) => {
    const { rows } = await client.query<{ pid: number }>('SELECT pid FROM pg_stat_activity');
    return rows.map(({ pid }) => pid);
  });
  await postgres.kill('SIGKILL');
  signalAll(pids, 'SIGKILL');
  return async () => {
    const deadline = performance.now() + READY_MS;
    for (;;) {
      try {
        await postgres.restart();
        return;
      } catch (error) {
        // It does not start on shared memory that a session of before still has.
        if (performance.now() > deadline) throw error;
        await delay(RETRY_MS);
      }
    }
  };
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

const breakLinks =
  (to: LinkState['state']): Break =>
  async (world, { kind, target, delayMs }) => {
    const part = partOf(kind);
    if (part === 'replica') throw new Error('a replica has no link');
    const { replicas, publisher } = world.ways[part];
    const links = replicas.filter((_, index) => target === 'all' || target === index);
    if (target === 'all' && publisher !== null) links.push(publisher);
    const state: LinkState = to === 'delay' ? { state: to, delayMs } : { state: to };
    await Promise.all(links.map((link) => link.set(state)));
    return async () => void (await Promise.all(links.map((link) => link.set({ state: 'whole' }))));
  };

const linkFaults = <Name extends 'redis' | 'nats' | 'postgres'>(part: Name) =>
  ({
    [`${part}-link-cut`]: breakLinks('cut'),
    [`${part}-link-delay`]: breakLinks('delay'),
    [`${part}-link-half-open`]: breakLinks('half-open'),
    [`${part}-link-stop`]: breakLinks('stop'),
  }) as Record<`${Name}-link-${'cut' | 'delay' | 'half-open' | 'stop'}`, Break>;

const killServer =
  (server: 'redis' | 'nats', empty: boolean): Break =>
  async (world) => {
    await world[server].kill('SIGKILL');
    return () => world[server].restart({ empty });
  };

export const BREAKS: Readonly<Record<FaultKind, Break>> = {
  'replica-kill': async (world, fault) => {
    await replicaOf(world, fault).kill();
    return () => replicaOf(world, fault).start();
  },
  'replica-stop': async (world, fault) => {
    replicaOf(world, fault).pause();
    return async () => replicaOf(world, fault).resume();
  },
  'redis-kill-empty': killServer('redis', true),
  'redis-kill-snapshot': rollBackRedis,
  'redis-stop': stopServer('redis'),
  'redis-evict': evict,
  'nats-kill': killServer('nats', false),
  'nats-kill-empty': killServer('nats', true),
  'nats-stop': stopServer('nats'),
  'nats-stream-purge': spoilStream((manager) => manager.streams.purge(STREAM)),
  'nats-stream-delete': spoilStream((manager) => manager.streams.delete(STREAM)),
  'postgres-kill': killPostgres,
  'postgres-stop': stopPostgres,
  ...linkFaults('redis'),
  ...linkFaults('nats'),
  ...linkFaults('postgres'),
};
