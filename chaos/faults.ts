/** Does what the plan says: breaks, waits, heals. */
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { withClient } from '../test/support/services/index.ts';
import type { LinkState } from './links.ts';
import { type FaultKind, type Part, type PlannedFault, partOf } from './plan.ts';
import type { World } from './world.ts';

/** Breaks something and returns what makes it whole again. */
type Break = (world: World, fault: PlannedFault) => Promise<() => Promise<void>>;

const replicaOf = (world: World, { target }: PlannedFault) => {
  const replica = world.replicas[target === 'all' ? 0 : target];
  if (replica === undefined) throw new Error('no such replica');
  return replica;
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

/** The sessions of the replicas, each a process. */
const stopPostgres: Break = async (world) => {
  const pids = await withClient(world.postgres.url, async (client) => {
    const { rows } = await client.query<{ pid: number }>(
      "SELECT pid FROM pg_stat_activity WHERE usename = 'assent' AND backend_type = 'client backend'",
    );
    return rows.map(({ pid }) => pid);
  });
  const signal = (name: NodeJS.Signals): void => {
    for (const pid of pids) {
      try {
        process.kill(pid, name);
      } catch {
        // The session has ended.
      }
    }
  };
  signal('SIGSTOP');
  return async () => signal('SIGCONT');
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

const BREAKS: Readonly<Record<FaultKind, Break>> = {
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
  'postgres-stop': stopPostgres,
  ...linkFaults('redis'),
  ...linkFaults('nats'),
  ...linkFaults('postgres'),
};

export interface FaultRunOptions {
  readonly world: World;
  readonly plan: readonly PlannedFault[];
  readonly signal: AbortSignal;
  /** Called as a fault begins; what it returns is called when it has been healed. */
  readonly onFault: (fault: PlannedFault) => () => void;
}

/** Resolves when every fault has been healed; faults of one part wait for each other. */
export const runFaults = async ({ world, plan, signal, onFault }: FaultRunOptions): Promise<void> => {
  const began = performance.now();
  const lanes = new Map<Part, Promise<void>>();
  const run = async (fault: PlannedFault, before: Promise<void>): Promise<void> => {
    await before;
    if (signal.aborted) return;
    const healed = onFault(fault);
    const heal = await BREAKS[fault.kind](world, fault);
    await delay(fault.durationMs, undefined, { signal }).catch(() => {});
    await heal();
    healed();
  };
  for (const fault of plan) {
    await delay(Math.max(0, fault.at - (performance.now() - began)), undefined, { signal }).catch(() => {});
    const part = partOf(fault.kind);
    const lane = run(fault, lanes.get(part) ?? Promise.resolve());
    // Seen by whoever waits for all of them, or by the next of the lane.
    lane.catch(() => {});
    lanes.set(part, lane);
  }
  await Promise.all(lanes.values());
};
