/** Everything that a run needs, as processes: PostgreSQL, Redis and NATS behind links, and three replicas. */
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { createMonolith } from '../demo/monolith/server.ts';
import { grantLeastPrivilege } from '../test/support/least-privilege.ts';
import { through } from '../test/support/proxy.ts';
import {
  createDatabase,
  type PostgresServer,
  type Server,
  startNats,
  startPostgres,
  startRedis,
} from '../test/support/services/index.ts';
import { type Link, startLinks } from './links.ts';
import type { ChaosOptions } from './options.ts';
import { REPLICAS } from './plan.ts';
import { MEMORY_ENTRIES, type Organization, type Person, populate } from './population.ts';
import { type Replica, startReplica } from './replica.ts';

/** The ways to one server: of each replica, and of the publisher where it has one. */
export interface Ways {
  readonly replicas: readonly Link[];
  readonly publisher: Link | null;
}

export interface World {
  readonly postgres: PostgresServer;
  readonly redis: Server;
  readonly nats: Server;
  /** Of the owner of the tables; not through a link: writers commit whatever happens. */
  readonly ownerUrl: string;
  /** Through a link. */
  readonly publisherUrl: string;
  readonly ways: { readonly postgres: Ways; readonly redis: Ways; readonly nats: Ways };
  readonly replicas: readonly Replica[];
  readonly people: readonly Person[];
  readonly organizations: readonly Organization[];
}

const POLICY = fileURLToPath(new URL('../demo/policy.yaml', import.meta.url));

const migrated = async (serverUrl: string, secret: string): Promise<string> => {
  const ownerUrl = await createDatabase(serverUrl, 'chaos');
  const monolith = await createMonolith({ databaseUrl: ownerUrl, secret, natsUrl: null });
  try {
    await monolith.migrate();
  } finally {
    await monolith.stop();
  }
  return ownerUrl;
};

/**
 * Starts everything. Without faults nothing stands between the parts, and the memory is as shipped.
 * @param stack Stops it.
 */
export const createWorld = async (
  stack: AsyncDisposableStack,
  { service, faults, door }: Pick<ChaosOptions, 'service' | 'faults' | 'door'>,
): Promise<World> => {
  const adopt = async <Resource extends { stop(): Promise<unknown> }>(start: Promise<Resource>): Promise<Resource> =>
    stack.adopt(await start, async (started) => void (await started.stop()));
  // Never somebody's own: they are killed and emptied.
  const [postgres, redis, nats] = await Promise.all([
    // It is killed: what was acknowledged must have left its memory. The machine keeps running, and so nothing need reach
    // the disk.
    adopt(startPostgres({ settings: { synchronous_commit: 'on' } })),
    adopt(startRedis({ own: true })),
    adopt(startNats({ own: true })),
  ]);
  const links = startLinks();
  stack.defer(() => links.end());
  const waysTo = async ({ port }: { readonly port: number }): Promise<Ways> => ({
    replicas: await Promise.all(Array.from({ length: REPLICAS }, () => links.open(port))),
    publisher: null,
  });

  const secret = randomBytes(24).toString('base64url');
  const ownerUrl = await migrated(postgres.url, secret);
  const population = await populate(ownerUrl);
  const databaseUrl = await grantLeastPrivilege(ownerUrl, 'plural');
  const publisher = await links.open(nats.port);
  const ways = {
    postgres: await waysTo(postgres),
    redis: await waysTo(redis),
    nats: { ...(await waysTo(nats)), publisher },
  };
  const environmentOf = (index: number): Readonly<Record<string, string>> => {
    const by = (url: string, { replicas }: Ways): string => (faults ? through(url, replicas[index] ?? publisher) : url);
    return {
      DATABASE_URL: by(databaseUrl, ways.postgres),
      REDIS_URL: by(redis.url, ways.redis),
      NATS_URL: by(nats.url, ways.nats),
      BETTER_AUTH_SECRET: secret,
      ASSENT_JWKS: 'off',
      ASSENT_POLICY: POLICY,
      ...(door === null ? {} : { ASSENT_GRPC_DOOR: door }),
      ...(faults ? { ASSENT_MEMORY_ENTRIES: String(MEMORY_ENTRIES) } : {}),
    };
  };
  const replicas = await Promise.all(
    Array.from({ length: REPLICAS }, (_, index) => adopt(startReplica(environmentOf(index), service))),
  );
  const publisherUrl = faults ? through(nats.url, publisher) : nats.url;
  return { postgres, redis, nats, ownerUrl, publisherUrl, ways, replicas, ...population };
};
