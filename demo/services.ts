/** PostgreSQL, Redis and NATS for the demo; the latter two as far as this machine has them. */
import { randomBytes } from 'node:crypto';
import { connect } from 'nats';
import {
  createDatabase,
  type Server,
  ServiceUnavailable,
  startNats,
  startPostgres,
  startRedis,
} from '../tools/local-services/index.ts';
import { print } from './print.ts';

export interface Services {
  /** A database of the demo's own, as its owner. */
  readonly databaseUrl: string;
  /** Null where Redis cannot be had. */
  readonly redisUrl: string | null;
  /** Null where NATS cannot be had. */
  readonly nats: { readonly url: string; readonly stream: string; readonly prefix: string } | null;
}

const ifAvailable = async (name: string, start: () => Promise<Server>): Promise<Server | null> => {
  try {
    return await print.during(name, start);
  } catch (error) {
    if (!(error instanceof ServiceUnavailable)) throw error;
    print.problem(`  ${error.message}`);
    return null;
  }
};

/** A NATS server that was already running can hold the user's events: the demo uses a separate stream there. */
const streamNames = ({ origin }: Server): { readonly stream: string; readonly prefix: string } => {
  if (origin !== 'environment') return { stream: 'BETTERAUTH', prefix: 'betterauth' };
  const id = randomBytes(6).toString('hex');
  return { stream: `ASSENT_DEMO_${id}`, prefix: `assent_demo_${id}` };
};

const deleteStream = async (url: string, stream: string): Promise<void> => {
  const connection = await connect({ servers: url });
  const manager = await connection.jetstreamManager();
  // It does not exist when the demo ended before its first event.
  await manager.streams.delete(stream).catch(() => {});
  await connection.close();
};

/**
 * Starts them.
 * @param stack Stops what was started.
 * @throws ServiceUnavailable where PostgreSQL cannot run.
 */
export const startServices = async (stack: AsyncDisposableStack): Promise<Services> => {
  const [postgres, redis, nats] = await Promise.all([
    print.during('PostgreSQL', async () => stack.adopt(await startPostgres(), (server) => server.stop())),
    ifAvailable('Redis', async () => stack.adopt(await startRedis(), (server) => server.stop())),
    ifAvailable('NATS', async () => stack.adopt(await startNats(), (server) => server.stop())),
  ]);
  const names = nats === null ? null : streamNames(nats);
  if (nats?.origin === 'environment' && names !== null) stack.defer(() => deleteStream(nats.url, names.stream));
  return {
    databaseUrl: await createDatabase(postgres.url, 'app'),
    redisUrl: redis?.url ?? null,
    nats: nats === null || names === null ? null : { url: nats.url, ...names },
  };
};
