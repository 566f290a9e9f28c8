/**
 * The primaries of a Redis Cluster. ioredis finds them and keeps the table of slots. Commands go to the server of their key
 * directly and not through ioredis's `Cluster`, for two reasons: the latter keeps commands for servers that are not connected
 * and repeats them for seconds; and it sends ASKING without a handler, so that its failure would end the process.
 */
import { Cluster, type Redis } from 'ioredis';
import type { ClusterLocation } from './redis-location.ts';
import {
  commonOptions,
  createServer,
  credentialOptions,
  type RedisConnection,
  type RedisConnectionOptions,
  type RedisServer,
  retryDelay,
} from './redis-server.ts';
import { slotOf } from './redis-slot.ts';

/** The table of slots is read at most this often, in milliseconds. */
const REFRESH_MS = 1_000;
/** How long one server may take to send its table, in milliseconds. */
const TABLE_TIMEOUT_MS = 1_000;

/** Connects in the background to every primary of the cluster. */
export function connectToCluster(location: ClusterLocation, options: RedisConnectionOptions): RedisConnection {
  const { onError, onReady, clock } = options;
  const byAddress = new Map<string, RedisServer>();
  let refreshedAt = Number.NEGATIVE_INFINITY;
  let refreshing: NodeJS.Timeout | null = null;
  let ended = false;
  const cluster = new Cluster([...location.hosts], {
    scaleReads: 'master',
    enableOfflineQueue: false,
    // A server that cannot serve its slots says so by the errors of its commands, and the others serve theirs.
    enableReadyCheck: false,
    clusterRetryStrategy: retryDelay,
    // A server that is lost is looked up in the table of slots: another one may have its slots by now.
    clusterNodeRetryStrategy: null,
    slotsRefreshTimeout: TABLE_TIMEOUT_MS,
    // Names stay names, so that a certificate can be compared with them.
    dnsLookup: (host, callback) => callback(null, host),
    redisOptions: {
      ...commonOptions(options),
      ...credentialOptions(location.credentials),
      ...(location.tls ? { tls: {} } : {}),
    },
  });
  cluster.on('+node', (redis: Redis) => byAddress.set(addressOf(redis), createServer(redis)));
  cluster.on('-node', (redis: Redis) => {
    // The address may have a newer connection by now.
    if (byAddress.get(addressOf(redis))?.redis === redis) byAddress.delete(addressOf(redis));
    refresh();
  });
  cluster.on('refresh', connectPrimaries);
  cluster.on('error', onError);
  cluster.on('node error', onError);
  cluster.on('ready', onReady);

  return {
    serverOf: (key) => {
      const server = byAddress.get(cluster.slots[slotOf(key)]?.[0] ?? '');
      if (server?.redis.status === 'ready') return server;
      refresh();
      return null;
    },
    servers,
    run,
    end: () => {
      ended = true;
      clearTimeout(refreshing ?? undefined);
      cluster.disconnect();
    },
  };

  function servers(): readonly RedisServer[] {
    return [...byAddress.values()].filter(({ redis }) => redis.status === 'ready' && isPrimary(redis));
  }

  /** ioredis connects at the first command, which would have to wait. */
  function connectPrimaries(): void {
    for (const { redis } of byAddress.values()) {
      if (redis.status === 'wait' && isPrimary(redis)) redis.connect().catch(() => {});
    }
  }

  async function run<T>(server: RedisServer, command: (redis: Redis) => Promise<T>): Promise<T> {
    try {
      return await command(server.redis);
    } catch (error) {
      const redirect = redirectOf(error);
      if (redirect === null) throw error;
      refresh();
      const next = byAddress.get(redirect.address)?.redis;
      if (next?.status !== 'ready') throw error;
      // ASKING counts for the next command on the connection, which follows in the same turn. A failure shows in that command.
      if (redirect.asking) next.asking().catch(() => {});
      return await command(next);
    }
  }

  /** Reads the table of slots soon. */
  function refresh(): void {
    if (ended || refreshing !== null) return;
    const inMs = Math.max(0, refreshedAt + REFRESH_MS - clock.monotonic());
    refreshing = setTimeout(() => {
      refreshing = null;
      refreshedAt = clock.monotonic();
      if (cluster.status !== 'ready') return;
      cluster.refreshSlotsCache((error) => {
        // No server that is known answers. The configured names may lead to servers that replaced all of them.
        if (error && !ended && cluster.status === 'ready' && servers().length === 0) cluster.disconnect(true);
      });
    }, inMs);
    refreshing.unref();
  }
}

/** `MOVED 3999 127.0.0.1:6381`, or `ASK` while a slot is being moved. */
const REDIRECT = /^(?<kind>MOVED|ASK) \d+ (?<address>\S+:\d+)$/;

function redirectOf(error: unknown): { readonly address: string; readonly asking: boolean } | null {
  const groups = error instanceof Error ? REDIRECT.exec(error.message)?.groups : undefined;
  return groups === undefined ? null : { address: groups['address'] ?? '', asking: groups['kind'] === 'ASK' };
}

function addressOf({ options }: Redis): string {
  return `${options.host}:${options.port}`;
}

function isPrimary({ options }: Redis): boolean {
  return options.readOnly !== true;
}
