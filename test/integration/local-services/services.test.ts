import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { connect } from 'nats';
import { afterEach, describe, expect, it } from 'vitest';
import { type Server, startNats, startPostgres, startRedis, withClient } from '../../../tools/local-services/index.ts';
import { isPortFree } from '../../../tools/local-services/ports.ts';
import { isAlive } from '../../../tools/local-services/processes.ts';
import { startParent, untilGone } from '../../support/parent-program.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) {
    await cleanup();
  }
});

function stoppedAfterwards<T extends { stop(): Promise<void> }>(server: T): T {
  cleanups.push(() => server.stop());
  return server;
}

async function ownRedis(...args: Parameters<typeof startRedis>): Promise<{ server: Server; client: Redis }> {
  const server = stoppedAfterwards(await startRedis({ own: true, ...args[0] }));
  const client = new Redis(server.url);
  client.on('error', () => {});
  cleanups.push(() => client.disconnect());
  return { server, client };
}

function processOf(server: { pid: number | undefined }): number {
  expect(server.pid).toBeTypeOf('number');
  return server.pid ?? 0;
}

describe('a PostgreSQL server', () => {
  it('a PostgreSQL server serves at its URL with the password, and leaves nothing when stopped', async () => {
    const server = stoppedAfterwards(await startPostgres());
    const pid = processOf(server);
    const { rows } = await withClient(server.url, (client) => client.query('SELECT current_user AS name'));
    expect(rows).toEqual([{ name: 'postgres' }]);
    const guess = new URL(server.url);
    guess.password = 'guess';
    await expect(withClient(guess.href, (client) => client.query('SELECT 1'))).rejects.toThrow(/password/);
    expect(existsSync(server.dataFolder)).toBe(true);
    await server.stop();
    expect(isAlive(pid)).toBe(false);
    expect(existsSync(join(server.dataFolder, '..'))).toBe(false);
    expect(await isPortFree(server.port)).toBe(true);
  });

  it('a PostgreSQL server keeps its data and port over a restart, also after SIGKILL', async () => {
    const server = stoppedAfterwards(await startPostgres());
    await withClient(server.url, (client) => client.query('CREATE TABLE kept AS SELECT 1 AS one'));
    await withClient(server.url, (client) => client.query('CHECKPOINT'));
    const first = processOf(server);
    await server.kill('SIGKILL');
    expect(isAlive(first)).toBe(false);
    await server.restart();
    expect(processOf(server)).not.toBe(first);
    const { rows } = await withClient(server.url, (client) => client.query('SELECT one FROM kept'));
    expect(rows).toEqual([{ one: 1 }]);
  });

  it('a PostgreSQL server is in recovery when started as a standby', async () => {
    const server = stoppedAfterwards(await startPostgres({ standby: true, settings: { max_connections: '150' } }));
    const { rows } = await withClient(server.url, (client) =>
      client.query(`SELECT pg_is_in_recovery() AS recovering, current_setting('max_connections') AS connections`),
    );
    expect(rows).toEqual([{ recovering: true, connections: '150' }]);
  });

  it('two PostgreSQL servers that start at once have separate ports and data', async () => {
    const servers = await Promise.all([startPostgres(), startPostgres()]);
    const [one, two] = servers.map(stoppedAfterwards);
    expect(one?.port).not.toBe(two?.port);
    expect(one?.dataFolder).not.toBe(two?.dataFolder);
  });

  it('a PostgreSQL server that cannot start reports its log', async () => {
    await expect(startPostgres({ settings: { no_such_setting: '1' } })).rejects.toThrow(/no_such_setting/);
  });
});

describe('a Redis server', () => {
  it('a Redis server forgets everything at a restart unless it is configured to save', async () => {
    const { server, client } = await ownRedis();
    await client.set('key', 'value');
    await server.restart();
    expect(await client.get('key')).toBeNull();
  });

  it('a Redis server brings its older snapshot back after SIGKILL when it saves', async () => {
    const { server, client } = await ownRedis({ args: ['--save', '3600 1'] });
    await client.set('key', 'old');
    await client.save();
    await client.set('key', 'new');
    const first = processOf(server);
    await server.kill('SIGKILL');
    expect(isAlive(first)).toBe(false);
    await server.restart();
    expect(await client.get('key')).toBe('old');
    await server.restart({ empty: true });
    expect(await client.get('key')).toBeNull();
  });

  it('a Redis server stops although a SIGSTOP holds it, and leaves nothing', async () => {
    const { server } = await ownRedis();
    const pid = processOf(server);
    await server.kill('SIGSTOP');
    await server.stop();
    expect(isAlive(pid)).toBe(false);
    expect(existsSync(server.folder ?? '')).toBe(false);
  });

  it("a Redis server keeps a folder that is the caller's", async () => {
    const folder = mkdtempSync(join(tmpdir(), 'assent-test-'));
    cleanups.push(() => rmSync(folder, { recursive: true }));
    const { server } = await ownRedis({ folder });
    await server.stop();
    expect(existsSync(folder)).toBe(true);
  });

  it('a Redis server at REDIS_URL that answers is used and not changed', async () => {
    const { server, client } = await ownRedis();
    setVariable('REDIS_URL', server.url);
    const found = await startRedis();
    expect(found).toMatchObject({ origin: 'environment', url: server.url });
    await expect(found.restart({ empty: true })).rejects.toThrow(/not ours/);
    await found.stop();
    expect(await client.ping()).toBe('PONG');
    expect((await ownRedis()).server.url).not.toBe(server.url);
  });

  it('a Redis server is started when nothing answers at REDIS_URL', async () => {
    const { server } = await ownRedis();
    await server.stop();
    setVariable('REDIS_URL', server.url);
    expect(stoppedAfterwards(await startRedis()).origin).not.toBe('environment');
  });
});

describe('a NATS server', () => {
  it('a NATS server has JetStream, whose messages outlive SIGKILL and a restart unless it is emptied', async () => {
    const server = stoppedAfterwards(await startNats({ own: true }));
    const messages = () =>
      withNats(server, async (connection) => {
        const manager = await connection.jetstreamManager();
        return manager.streams.info('S').then(
          ({ state }) => state.messages,
          () => 'no stream',
        );
      });
    await withNats(server, async (connection) => {
      const manager = await connection.jetstreamManager();
      await manager.streams.add({ name: 'S', subjects: ['s'] });
      await connection.jetstream().publish('s', 'one');
    });
    await server.kill('SIGKILL');
    await server.restart();
    expect(await messages()).toBe(1);
    await server.restart({ empty: true });
    expect(await messages()).toBe('no stream');
  });

  it('a NATS server has no JetStream when it is configured without', async () => {
    const server = stoppedAfterwards(await startNats({ jetstream: false }));
    await withNats(server, async (connection) => {
      expect(connection.info?.jetstream ?? false).toBe(false);
    });
  });

  it('a NATS server is the one of NATS_URL only if that has JetStream', async () => {
    const core = stoppedAfterwards(await startNats({ jetstream: false }));
    setVariable('NATS_URL', core.url);
    expect(stoppedAfterwards(await startNats()).url).not.toBe(core.url);
    const complete = stoppedAfterwards(await startNats({ own: true }));
    setVariable('NATS_URL', complete.url);
    expect(await startNats()).toMatchObject({ origin: 'environment', url: complete.url });
  });
});

describe('servers of a program that ends without stopping them', () => {
  it.each([
    ['SIGINT', 'postgres,redis,nats'],
    ['SIGTERM', 'redis,nats'],
    ['SIGHUP', 'redis'],
  ] as const)('servers end when their program is ended by %s', async (signal, services) => {
    const { program, pids, folders, ended } = await startParent('wait', services);
    program.kill(signal);
    expect(await ended).toEqual({ code: null, signal });
    expect(pids.filter(isAlive)).toEqual([]);
    expect(folders.filter((folder) => existsSync(folder))).toEqual([]);
  });

  it.each([
    ['exits', 'exit', 3, 'postgres,redis,nats'],
    ['throws', 'throw', 1, 'redis'],
    ['returns', 'return', 0, 'redis,nats'],
  ])('servers end when their program %s', async (_, ending, code, services) => {
    const { pids, folders, ended } = await startParent(ending, services);
    expect(await ended).toEqual({ code, signal: null });
    await untilGone(pids, folders);
  });

  it('servers end when SIGKILL ends their program', async () => {
    const { program, pids, folders, ended } = await startParent('wait', 'postgres,redis,nats');
    program.kill('SIGKILL');
    await ended;
    await untilGone(pids, folders);
  });
});

function setVariable(name: string, value: string): void {
  const before = process.env[name];
  process.env[name] = value;
  cleanups.push(() => {
    if (before === undefined) {
      delete process.env[name];
    } else {
      process.env[name] = before;
    }
  });
}

async function withNats<T>(
  server: Server,
  work: (connection: Awaited<ReturnType<typeof connect>>) => Promise<T>,
): Promise<T> {
  const connection = await connect({ servers: server.url });
  try {
    return await work(connection);
  } finally {
    await connection.close();
  }
}
