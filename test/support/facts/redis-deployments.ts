/** Real deployments of Redis with several servers: primary and replica under Sentinel, and Redis Cluster. */
import { Redis } from 'ioredis';
import { onTestFinished } from 'vitest';
import { freePort, type Server, startRedis, startRedisSentinel } from '../../../tools/local-services/index.ts';
import { until } from '../until.ts';

/** The name under which the sentinels know the primary. */
export const PRIMARY_NAME = 'facts';
/** After this time without an answer a server counts as down. */
const DOWN_MS = 500;

/** A connection of the test's own. It reports no errors: the test stops servers. */
export const openRedis = (
  server: Server,
  options: { readonly password?: string; readonly username?: string } = {},
): Redis => {
  const redis = new Redis({ host: '127.0.0.1', port: server.port, ...options });
  redis.on('error', () => {});
  onTestFinished(() => redis.disconnect());
  return redis;
};

const own = async (starting: Promise<Server>): Promise<Server> => {
  const server = await starting;
  onTestFinished(() => server.stop());
  return server;
};

export interface SentinelDeployment {
  readonly primary: Server;
  readonly replica: Server;
  readonly sentinels: readonly Server[];
  /** For `REDIS_URL`, without a database number. */
  readonly url: string;
  /** Resolves when all sentinels name the server of this port as the primary. */
  named(server: Server): Promise<void>;
}

/**
 * A primary, a replica and three sentinels, which know each other when this resolves.
 * @param through The port by which the replica reaches its primary.
 * @param password Of Redis; the sentinels have another one, `sentinel-` before it.
 */
export const startSentinels = async (
  through: (primary: Server) => Promise<number> = async ({ port }) => port,
  password?: string,
): Promise<SentinelDeployment> => {
  const auth = password === undefined ? [] : ['--requirepass', password, '--masterauth', password];
  const primary = await own(startRedis({ own: true, args: ['--repl-diskless-sync-delay', '0', ...auth] }));
  const replica = await own(
    startRedis({ own: true, args: ['--replicaof', '127.0.0.1', String(await through(primary)), ...auth] }),
  );
  const onReplica = openRedis(replica, password === undefined ? {} : { password });
  await until('replication', async () => (await onReplica.info('replication')).includes('master_link_status:up'));
  const config = [
    `sentinel monitor ${PRIMARY_NAME} 127.0.0.1 ${primary.port} 2`,
    `sentinel down-after-milliseconds ${PRIMARY_NAME} ${DOWN_MS}`,
    `sentinel failover-timeout ${PRIMARY_NAME} 5000`,
    ...(password === undefined
      ? []
      : [
          `sentinel auth-pass ${PRIMARY_NAME} ${password}`,
          `requirepass sentinel-${password}`,
          `sentinel sentinel-pass sentinel-${password}`,
        ]),
  ];
  const sentinels = await Promise.all([1, 2, 3].map(() => own(startRedisSentinel(`${config.join('\n')}\n`))));
  const clients = sentinels.map((each) =>
    openRedis(each, password === undefined ? {} : { password: `sentinel-${password}` }),
  );
  const known = async (client: Redis, what: 'sentinels' | 'replicas'): Promise<number> => {
    const found = (await client.call('SENTINEL', what, PRIMARY_NAME)) as readonly (readonly string[])[];
    return found.filter((fields) => !fields.some((field) => /down|disconnected/.test(field) && !/-/.test(field)))
      .length;
  };
  await until(
    'the sentinels know each other and the replica',
    async () => {
      const counts = await Promise.all(
        clients.flatMap((client) => [known(client, 'sentinels'), known(client, 'replicas')]),
      );
      return counts.join() === '2,1,2,1,2,1';
    },
    20_000,
  );
  const user = password === undefined ? '' : `:${password}@`;
  const parameters = password === undefined ? '' : `?sentinel_password=sentinel-${password}`;
  return {
    ...{ primary, replica, sentinels },
    url: `redis-sentinel://${user}${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/${PRIMARY_NAME}${parameters}`,
    named: (server) =>
      until(
        `the sentinels name ${server.port}`,
        async () => {
          const named = await Promise.all(
            clients.map((client) => client.call('SENTINEL', 'get-master-addr-by-name', PRIMARY_NAME)),
          );
          return named.every((address) => Number((address as readonly string[])[1]) === server.port);
        },
        20_000,
      ),
  };
};

export interface ClusterDeployment {
  /** Three primaries, with a third of the slots each, in order. */
  readonly primaries: readonly Server[];
  /** The replica of the first primary. */
  readonly replica: Server;
  /** For `REDIS_URL`. */
  readonly url: string;
  /** The primary of a slot as the cluster was made. */
  primaryOf(slot: number): Server;
}

const SLOTS = 16_384;

/**
 * A cluster of three primaries and a replica of the first one.
 * @param through The port by which the replica reaches its primary; its own by default.
 */
export const startCluster = async (args: readonly string[] = []): Promise<ClusterDeployment> => {
  const servers = await Promise.all(
    [1, 2, 3, 4].map(async () =>
      own(
        startRedis({
          own: true,
          args: [
            ...['--cluster-enabled', 'yes', '--cluster-port', String(await freePort())],
            ...['--cluster-node-timeout', String(DOWN_MS), '--cluster-replica-validity-factor', '0'],
            // The slots of a server that is down cost nothing but themselves.
            ...['--cluster-require-full-coverage', 'no', '--repl-diskless-sync-delay', '0', ...args],
          ],
        }),
      ),
    ),
  );
  const clients = servers.map((server) => openRedis(server));
  const [first, , , last] = clients;
  const [replica] = servers.slice(3);
  if (first === undefined || last === undefined || replica === undefined) throw new Error('four servers');
  const share = Math.ceil(SLOTS / 3);
  await Promise.all(
    clients.map(async (client, index) => {
      await client.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
      if (index === 3) return;
      await client.call('CLUSTER', 'ADDSLOTSRANGE', index * share, Math.min((index + 1) * share, SLOTS) - 1);
    }),
  );
  for (const [index, client] of clients.entries()) {
    if (index === 0) continue;
    const [, bus = ''] = (await client.config('GET', 'cluster-port')) as readonly string[];
    await first.call('CLUSTER', 'MEET', '127.0.0.1', servers[index]?.port ?? 0, bus);
  }
  const info = async (client: Redis): Promise<string> => String(await client.call('CLUSTER', 'INFO'));
  await until('the cluster is whole', async () =>
    (await Promise.all(clients.map(info))).every(
      (text) => text.includes('cluster_state:ok') && text.includes('cluster_known_nodes:4'),
    ),
  );
  const id = String(await first.call('CLUSTER', 'MYID'));
  await last.call('CLUSTER', 'REPLICATE', id);
  await until('a replica', async () => (await last.info('replication')).includes('master_link_status:up'));
  await until('every server knows the replica', async () =>
    (await Promise.all(clients.map((client) => client.call('CLUSTER', 'NODES')))).every((nodes) =>
      new RegExp(`slave ${id}`).test(String(nodes)),
    ),
  );
  const primaries = servers.slice(0, 3);
  return {
    ...{ primaries, replica },
    url: `redis-cluster://${primaries.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
    primaryOf: (slot) => {
      const primary = primaries[Math.floor(slot / share)];
      if (primary === undefined) throw new Error('no such slot');
      return primary;
    },
  };
};
