/** Everything that a run needs, as processes: PostgreSQL, Redis and NATS behind links, and three replicas. */
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { createApplication } from '../demo/application/server.ts';
import { grantLeastPrivilege } from '../tools/assent/least-privilege.ts';
import {
  createDatabase,
  type PostgresServer,
  type Server,
  startPostgres,
  startRedis,
} from '../tools/local-services/index.ts';
import { through } from '../tools/network/proxy.ts';
import { type Link, startLinks } from './links.ts';
import type { ChaosOptions } from './options.ts';
import { REPLICAS } from './plan.ts';
import { MEMORY_ENTRIES, type Organization, type Person, populate } from './population.ts';
import { type Replica, startReplica } from './replica.ts';
import { type NatsWorld, serverOf, startNatsWorld } from './topology.ts';

/** The ways to one part: of each replica, and of the publisher, to each server, where it has any. */
export interface Ways {
  readonly replicas: readonly Link[];
  readonly publishers: readonly Link[];
}

export interface World {
  readonly postgres: PostgresServer;
  readonly redis: Server;
  readonly nats: NatsWorld;
  /** Of the owner of the tables; not through a link: writers commit whatever happens. */
  readonly ownerUrl: string;
  /** The servers of the stream, each through a link. */
  readonly publisherUrls: readonly string[];
  readonly ways: { readonly postgres: Ways; readonly redis: Ways; readonly nats: Ways };
  readonly replicas: readonly Replica[];
  readonly people: readonly Person[];
  readonly organizations: readonly Organization[];
}

const POLICY = fileURLToPath(new URL('../demo/policy.yaml', import.meta.url));

const migrated = async (serverUrl: string, secret: string): Promise<string> => {
  const ownerUrl = await createDatabase(serverUrl, 'chaos');
  const application = await createApplication({ databaseUrl: ownerUrl, secret, natsUrl: null });
  try {
    await application.migrate();
  } finally {
    await application.stop();
  }
  return ownerUrl;
};

/**
 * Starts everything. Without faults nothing stands between the parts, and the memory is as shipped.
 * @param stack Stops it.
 */
export const createWorld = async (
  stack: AsyncDisposableStack,
  { service, faults, topology }: Pick<ChaosOptions, 'service' | 'faults' | 'topology'>,
): Promise<World> => {
  const adopt = async <Resource extends { stop(): Promise<unknown> }>(start: Promise<Resource>): Promise<Resource> =>
    stack.adopt(await start, async (started) => void (await started.stop()));
  const links = startLinks();
  stack.defer(() => links.end());
  // Never existing servers of the user: they are killed and emptied.
  const [postgres, redis, nats] = await Promise.all([
    // It is killed: what was acknowledged must have left its memory. The machine keeps running, and so nothing need reach
    // the disk.
    adopt(startPostgres({ settings: { synchronous_commit: 'on' } })),
    adopt(startRedis({ own: true })),
    startNatsWorld(topology, faults ? links : null, stack),
  ]);
  const waysTo = async (
    serverOfReplica: (index: number) => { readonly port: number },
    ofPublisher: readonly Server[] = [],
  ): Promise<Ways> => {
    const open = ({ port }: { readonly port: number }): Promise<Link> => links.open(port);
    return {
      replicas: await Promise.all(Array.from({ length: REPLICAS }, (_, index) => open(serverOfReplica(index)))),
      publishers: await Promise.all(ofPublisher.map(open)),
    };
  };

  const secret = randomBytes(24).toString('base64url');
  const ownerUrl = await migrated(postgres.url, secret);
  const population = await populate(ownerUrl);
  const databaseUrl = await grantLeastPrivilege(ownerUrl);
  const ways = {
    postgres: await waysTo(() => postgres),
    redis: await waysTo(() => redis),
    nats: await waysTo((index) => serverOf(nats, index), nats.servers),
  };
  const by = (url: string, link: Link | undefined): string => (faults && link !== undefined ? through(url, link) : url);
  const environmentOf = (index: number): Readonly<Record<string, string>> => ({
    DATABASE_URL: by(databaseUrl, ways.postgres.replicas[index]),
    REDIS_URL: by(redis.url, ways.redis.replicas[index]),
    NATS_URL: by(serverOf(nats, index).url, ways.nats.replicas[index]),
    ...nats.environment,
    BETTER_AUTH_SECRET: secret,
    ASSENT_JWKS: 'off',
    ASSENT_POLICY: POLICY,
    ...(faults ? { ASSENT_MEMORY_ENTRIES: String(MEMORY_ENTRIES) } : {}),
  });
  const replicas = await Promise.all(
    Array.from({ length: REPLICAS }, (_, index) => adopt(startReplica(environmentOf(index), service))),
  );
  const publisherUrls = nats.servers.map(({ url }, index) => by(url, ways.nats.publishers[index]));
  return { postgres, redis, nats, ownerUrl, publisherUrls, ways, replicas, ...population };
};
