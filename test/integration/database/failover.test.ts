/** A pooler that keeps its clients' connections while the servers behind it change. */
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Directory } from '../../../src/database/directory.ts';
import { AssentError } from '../../../src/errors.ts';
import { directoryOf } from '../../../tools/assent/directory.ts';
import { type PostgresServer, startPostgres, withClient } from '../../../tools/local-services/index.ts';
import { until } from '../../support/until.ts';

/** A server's answer to a client that is authenticated: AuthenticationOk, ReadyForQuery. */
const LET_IN = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0, 0x5a, 0, 0, 0, 5, 0x49]);

/** As PgBouncer: client connections stay, and use a session of the present server. */
const startPooler = async () => {
  let backend: Socket | null = null;
  let session: pg.Client | null = null;
  const clients = new Set<Socket>();
  const server = createServer((client) => {
    clients.add(client);
    client.on('error', () => {}).on('close', () => clients.delete(client));
    client.once('data', () => {
      client.write(LET_IN);
      client.on('data', (bytes) => backend?.write(bytes));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const leave = async (): Promise<void> => {
    backend = null;
    await session?.end().catch(() => {});
  };
  return {
    url: `postgres://reader@127.0.0.1:${(server.address() as AddressInfo).port}/postgres`,
    leave,
    /** Uses a session of this server from now on. */
    use: async (url: string): Promise<void> => {
      await leave();
      session = new pg.Client({ connectionString: url });
      session.on('error', () => {});
      await session.connect();
      // pg logs in; from then on it gets no data of the connection.
      const { stream } = (session as unknown as { connection: { stream: Socket } }).connection;
      stream.removeAllListeners('data');
      stream.on('data', (bytes) => {
        for (const client of clients) client.write(bytes);
      });
      backend = stream;
    },
    connections: () => clients.size,
    close: async (): Promise<void> => {
      backend?.destroy();
      for (const client of clients) client.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
};

let server: PostgresServer;
let pooler: Awaited<ReturnType<typeof startPooler>>;
let directory: Directory;
beforeAll(async () => {
  server = await startPostgres();
  await withClient(server.url, (client) =>
    client.query(`CREATE TABLE users (id text, name text, email text, "emailVerified" bool, image text, "createdAt" timestamp,
        "updatedAt" timestamp, role text);
      INSERT INTO users (id, role) VALUES ('u', 'admin')`),
  );
  pooler = await startPooler();
  directory = directoryOf(pooler.url, { statementTimeoutMs: 2_000 });
});
afterAll(async () => {
  await directory.end();
  await pooler.close();
  await server.stop();
});

const outcome = (work: Promise<unknown>): Promise<unknown> =>
  work.catch((error: unknown) => (error instanceof AssentError ? error.code : error));

it('facts are not read from a primary that became a standby behind a connection that stays', async () => {
  const facts = () => outcome(directory.facts({ userId: 'u', organizationId: null }));
  await pooler.use(server.url);
  expect(await facts()).toMatchObject({ user: { roles: ['admin'] } });

  // Patroni demotes a primary in this way: it restarts as a standby, and the pooler does not know the new primary yet.
  await pooler.leave();
  await writeFile(join(server.dataFolder, 'standby.signal'), '');
  await server.restart();
  await pooler.use(server.url);
  expect(pooler.connections()).toBe(1);
  expect(await facts()).toBe('DATABASE_UNAVAILABLE');
  expect(pooler.connections()).toBe(1);

  await withClient(server.url, (client) => client.query('SELECT pg_promote()'));
  await until('facts of the new primary', async () => (await facts()) !== 'DATABASE_UNAVAILABLE');
  expect(await facts()).toMatchObject({ user: { roles: ['admin'] } });
});
