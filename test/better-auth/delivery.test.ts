/** How events reach NATS when it is away, slow, or gone for good: requests do not notice, and no loss is silent. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'nats';
import { afterAll, describe, expect, inject, it, onTestFinished, vi } from 'vitest';
import { type AssentOptions, assent } from '../../packages/better-auth/src/index.ts';
import { createPublisher } from '../../packages/better-auth/src/publisher.ts';
import { testDatabase } from '../support/database.ts';
import { testStreamName } from '../support/nats.ts';
import { startProxy, through } from '../support/proxy.ts';
import { startNats } from '../support/services/index.ts';
import { until } from '../support/until.ts';
import { type Application, createApplication } from './support/application.ts';
import { listen } from './support/ear.ts';
import { startOneWayProxy } from './support/one-way-proxy.ts';

const { url: databaseUrl } = await testDatabase();
const first = createApplication({ databaseUrl, assent: null });
await first.migrate();
const owner = await first.signUp('owner');
const people = await Promise.all(Array.from({ length: 20 }, (_, index) => first.signUp(`person${index}`)));

const url = inject('natsUrl');

/** A stream of the test's own. */
const ownStream = () => {
  const names = testStreamName();
  onTestFinished(async () => {
    const connection = await connect({ servers: url });
    await (await connection.jetstreamManager()).streams.delete(names.stream).catch(() => {});
    await connection.close();
  });
  return names;
};
const start = (options: AssentOptions) => createApplication({ databaseUrl, assent: options }, onTestFinished);
const hear = (at: string, prefix: string) => listen(at, prefix, () => {}, onTestFinished);

const setUp = async (options: Partial<AssentOptions> = {}) => {
  const { prefix, stream } = ownStream();
  const proxy = await startProxy(Number(new URL(url).port));
  onTestFinished(() => proxy.close());
  const application = start({ nats: through(url, proxy), prefix, stream, ...options });
  return { application, proxy, prefix, stream, ear: await hear(url, prefix) };
};

const newOrganization = async ({ auth }: Application): Promise<string> => {
  const body = { name: 'Acme', slug: crypto.randomUUID(), userId: owner.id };
  return (await auth.api.createOrganization({ body }))?.id ?? '';
};
const add = (application: Application, organizationId: string, userId: string) =>
  application.auth.api.addMember({ body: { userId, organizationId, role: 'member' } });
const added = (organizationId: string) =>
  people.map(({ id: userId }) => ({ name: 'member.added', userId, organizationId }));
const addEverybody = async (application: Application, organizationId: string): Promise<void> => {
  for (const { id } of people) await add(application, organizationId, id);
};
const idle = (application: Application) =>
  until('every event is acknowledged', () => application.plugin?.pending() === 0, 20_000);
const ours = (application: Application) => application.warnings.filter((line) => line.includes('assent'));

const messagesOf = async (stream: string): Promise<number> => {
  const connection = await connect({ servers: url });
  const info = await (await connection.jetstreamManager()).streams.info(stream);
  await connection.close();
  return info.state.messages;
};

it('creates the stream that Assent would create', async () => {
  const { application, prefix, stream } = await setUp();
  await newOrganization(application);
  await idle(application);
  const connection = await connect({ servers: url });
  const { config } = await (await connection.jetstreamManager()).streams.info(stream);
  await connection.close();
  expect(config).toMatchObject({ subjects: [`${prefix}.>`], retention: 'limits', storage: 'file' });
  expect(config.max_age).toBeGreaterThanOrEqual(3_660_000 * 1_000_000);
});

it.each(['refuse', 'stall'] as const)(
  'NATS away from the start (%s): requests go on, then all of it and a resync',
  async (mode) => {
    const { application, proxy, ear } = await setUp();
    proxy.setMode(mode);
    // Did each of these wait for NATS, which takes two seconds to be given up, the test would not end in time.
    const organizationId = await newOrganization(application);
    await addEverybody(application, organizationId);
    expect(application.plugin?.pending()).toBe(2 + people.length);
    await until('it is said', () => ours(application).length === 1);
    proxy.setMode('pass');
    await idle(application);
    await ear.catchUp();
    // A process before this one may have ended with events that it could not publish.
    expect(ear.events).toEqual([
      { name: 'organization.updated', organizationId },
      { name: 'member.added', userId: owner.id, organizationId },
      ...added(organizationId),
      { name: 'resync' },
    ]);
    expect(ours(application)).toEqual([
      expect.stringContaining('events cannot be published'),
      expect.stringContaining('events are published again'),
    ]);
  },
);

it('NATS away for a while: the events of that time, each once, and no resync', async () => {
  const { application, proxy, ear, stream } = await setUp();
  const organizationId = await newOrganization(application);
  await idle(application);
  await ear.catchUp();
  ear.events.length = 0;
  const before = await messagesOf(stream);
  proxy.setMode('refuse');
  proxy.cut();
  await addEverybody(application, organizationId);
  expect(application.plugin?.pending()).toBe(people.length);
  await until('it is said', () => ours(application).length === 1);
  proxy.setMode('pass');
  await idle(application);
  await ear.catchUp();
  expect(ear.events).toEqual(added(organizationId));
  expect(await messagesOf(stream)).toBe(before + people.length);
});

it('NATS away while the clock is set back by an hour: published as soon as it is there', async () => {
  const { application, proxy, ear } = await setUp();
  const organizationId = await newOrganization(application);
  await idle(application);
  proxy.setMode('refuse');
  proxy.cut();
  await addEverybody(application, organizationId);
  await until('it is said', () => ours(application).length === 1);
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 3_600_000 });
  onTestFinished(() => void vi.useRealTimers());
  proxy.setMode('pass');
  await idle(application);
  await ear.catchUp();
  expect(ear.events.slice(-people.length)).toEqual(added(organizationId));
});

it('an acknowledgement that is lost: published again with the same id, and stored once', async () => {
  const { prefix, stream } = ownStream();
  const proxy = await startOneWayProxy(Number(new URL(url).port));
  onTestFinished(() => proxy.close());
  const application = start({ nats: through(url, proxy), prefix, stream });
  const ear = await hear(url, prefix);
  const organizationId = await newOrganization(application);
  await idle(application);
  const before = await messagesOf(stream);
  const [person] = people;
  proxy.loseAnswers(true);
  await add(application, organizationId, person?.id ?? '');
  await until('it is stored', async () => (await messagesOf(stream)) === before + 1);
  await until('it is said', () => ours(application).length === 1);
  expect(application.plugin?.pending()).toBe(1);
  proxy.loseAnswers(false);
  await idle(application);
  await ear.catchUp();
  expect(ear.events.at(-1)).toEqual({ name: 'member.added', userId: person?.id, organizationId });
  expect([...ear.counts.values()].at(-1)).toBeGreaterThan(1);
  expect(await messagesOf(stream)).toBe(before + 1);
});

it('more events than may wait: given up for one resync, and said', async () => {
  const { application, proxy, ear } = await setUp({ bufferSize: 8 });
  const organizationId = await newOrganization(application);
  await idle(application);
  await ear.catchUp();
  ear.events.length = 0;
  proxy.setMode('refuse');
  proxy.cut();
  await addEverybody(application, organizationId);
  expect(application.plugin?.pending()).toBeLessThanOrEqual(8);
  proxy.setMode('pass');
  await idle(application);
  await ear.catchUp();
  // Every change is either heard by name or was made before a resync.
  const resync = ear.events.findIndex(({ name }) => name === 'resync');
  expect(resync).toBe(0);
  expect(ear.events.slice(1)).toEqual(added(organizationId).slice(-(ear.events.length - 1)));
  expect(ours(application).filter((line) => line.includes('given up')).length).toBeGreaterThan(0);
});

it('NATS away for as long as it likes: what waits is bounded, and one resync stands for all that was given up', async () => {
  const { prefix, stream } = ownStream();
  const proxy = await startProxy(Number(new URL(url).port));
  onTestFinished(() => proxy.close());
  proxy.setMode('refuse');
  const warnings: string[] = [];
  const publisher = createPublisher({
    ...{ url: through(url, proxy), prefix, stream, bufferSize: 1_000 },
    warn: (line) => void warnings.push(line),
  });
  onTestFinished(() => publisher.close(0));
  // An hour at 30 changes a second.
  for (let second = 0; second < 3_600; second += 1) {
    publisher.publish(
      Array.from({ length: 30 }, (_, index) => ({ name: 'user.updated', userId: `${second}-${index}` }) as const),
    );
    expect(publisher.pending()).toBeLessThanOrEqual(1_000);
    if (second % 100 === 0) await new Promise(setImmediate);
  }
  const last = publisher.pending();
  const ear = await hear(url, prefix);
  proxy.setMode('pass');
  await until('every event is acknowledged', () => publisher.pending() === 0, 20_000);
  await ear.catchUp();
  expect(ear.events[0]).toEqual({ name: 'resync' });
  expect(ear.events.slice(1, last).map(({ name }) => name)).toEqual(
    Array.from({ length: last - 1 }, () => 'user.updated'),
  );
  expect(ear.events[last - 1]).toEqual({ name: 'user.updated', userId: '3599-29' });
  expect(warnings.filter((line) => line.includes('a resync follows')).length).toBeGreaterThan(100);
});

it('tls:// and a server without TLS: said, and nothing is told to it', async () => {
  const { prefix, stream } = ownStream();
  const application = start({ nats: url.replace('nats:', 'tls:'), prefix, stream });
  await newOrganization(application);
  await until('it is said', () => ours(application).length > 0);
  expect(ours(application).join()).toMatch(/tls/i);
  expect(application.plugin?.pending()).toBeGreaterThan(0);
});

it('a stream that does not take the events: said, and published once it does', async () => {
  const { application, ear, prefix, stream } = await setUp();
  const connection = await connect({ servers: url });
  const manager = await connection.jetstreamManager();
  await manager.streams.add({ name: stream, subjects: [`${prefix}.member.*`] });
  const organizationId = await newOrganization(application);
  await until('it is said', () => ours(application).length === 1);
  expect(ours(application)[0]).toContain(`does not take ${prefix}.user.updated`);
  await manager.streams.update(stream, { subjects: [`${prefix}.>`] });
  await idle(application);
  await connection.close();
  await ear.catchUp();
  expect(ear.events).toContainEqual({ name: 'member.added', userId: owner.id, organizationId });
});

it('another stream that takes the events instead: not taken for it, and published once they go where they should', async () => {
  const { application, ear, prefix, stream } = await setUp();
  const organizationId = await newOrganization(application);
  await idle(application);
  const connection = await connect({ servers: url });
  const manager = await connection.jetstreamManager();
  const before = await messagesOf(stream);
  await manager.streams.update(stream, { subjects: [`${prefix}.none`] });
  await manager.streams.add({ name: `${stream}_OTHER`, subjects: [`${prefix}.member.*`] });
  onTestFinished(async () => {
    await manager.streams.delete(`${stream}_OTHER`).catch(() => {});
    await connection.close();
  });
  await add(application, organizationId, people[0]?.id ?? '');
  await until('it is said', () => ours(application).length === 1);
  expect(application.plugin?.pending()).toBe(1);
  await manager.streams.delete(`${stream}_OTHER`);
  await manager.streams.update(stream, { subjects: [`${prefix}.>`] });
  await idle(application);
  await ear.catchUp();
  expect(ear.events).toContainEqual(added(organizationId)[0]);
  expect(await messagesOf(stream)).toBe(before + 1);
});

describe('a server without JetStream', async () => {
  const server = await startNats({ jetstream: false });
  afterAll(() => server.stop());

  it('hears the events all the same, and that they are not kept is said', async () => {
    const application = start({ nats: server.url });
    const ear = await hear(server.url, 'betterauth');
    const organizationId = await newOrganization(application);
    await idle(application);
    await ear.catchUp();
    expect(ear.events).toContainEqual({ name: 'member.added', userId: owner.id, organizationId });
    expect(ours(application)).toEqual([expect.stringContaining('has no JetStream')]);
  });

  it.each(['before it is said that the event came', 'without a word'])(
    'breaks off %s: published again',
    async (how) => {
      const proxy = await startProxy(server.port);
      onTestFinished(() => proxy.close());
      const application = start({ nats: through(server.url, proxy) });
      const ear = await hear(server.url, 'betterauth');
      const organizationId = await newOrganization(application);
      await idle(application);
      proxy.setMode('stall');
      await add(application, organizationId, people[0]?.id ?? '');
      await until('it is on its way', () => application.plugin?.pending() === 1);
      if (how !== 'without a word') proxy.cut();
      await until('it is said', () => ours(application).length === 2);
      proxy.setMode('pass');
      await idle(application);
      await ear.catchUp();
      expect(ear.events).toContainEqual(added(organizationId)[0]);
    },
  );
});

it('a server that has JetStream later, or again: a resync for what nobody kept, and acknowledged from then on', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'assent-test-'));
  const file = join(folder, 'nats.conf');
  const configure = (jetstream: boolean) =>
    writeFile(file, jetstream ? `jetstream { store_dir: ${JSON.stringify(folder)} }\n` : 'debug: false\n');
  await configure(false);
  const server = await startNats({ jetstream: false, args: ['-c', file] });
  onTestFinished(async () => {
    await server.stop();
    await rm(folder, { recursive: true });
  });
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  const application = start({ nats: server.url });
  const organizationId = await newOrganization(application);
  await idle(application);
  const kept = async (): Promise<readonly string[]> => {
    const connection = await connect({ servers: server.url });
    try {
      const manager = await connection.jetstreamManager();
      const { state } = await manager.streams.info('BETTERAUTH');
      const subjects: string[] = [];
      for (let seq = 1; seq <= state.last_seq; seq += 1) {
        subjects.push((await manager.streams.getMessage('BETTERAUTH', { seq })).subject);
      }
      return subjects;
    } catch {
      return [];
    } finally {
      await connection.close();
    }
  };

  await configure(true);
  await server.kill('SIGHUP');
  // Half a minute passes, as often as it takes the server.
  await until('a resync', async () => {
    vi.advanceTimersByTime(30_000);
    return (await kept()).join() === 'betterauth.resync';
  });
  await add(application, organizationId, people[0]?.id ?? '');
  await idle(application);
  expect(await kept()).toEqual(['betterauth.resync', 'betterauth.member.added']);

  await configure(false);
  await server.restart();
  await add(application, organizationId, people[1]?.id ?? '');
  await idle(application);
  await configure(true);
  await server.restart();
  await until('another resync', async () => (await kept()).length === 3);
  expect((await kept()).at(-1)).toBe('betterauth.resync');
  expect(ours(application).filter((line) => line.includes('has no JetStream'))).toHaveLength(2);
});

it('close waits for what is not acknowledged yet', async () => {
  const { application, ear } = await setUp();
  const organizationId = await newOrganization(application);
  await application.plugin?.close();
  await ear.catchUp();
  expect(ear.events).toContainEqual({ name: 'member.added', userId: owner.id, organizationId });
});

describe('options', () => {
  it('no NATS: nothing is published, and that is said', async () => {
    const application = start({ nats: undefined });
    expect(await newOrganization(application)).not.toBe('');
    expect(ours(application)).toEqual([expect.stringContaining('no NATS URL is set')]);
  });

  it.each([
    [{ nats: 'http://secret@127.0.0.1' }, 'nats must be a URL'],
    [{ nats: 'nats://one,two' }, 'nats must be a URL'],
    [{ nats: 'nats://one', prefix: 'a.>' }, 'prefix must be'],
    [{ nats: 'nats://one', stream: 'a.b' }, 'stream may have'],
    [{ nats: 'nats://one', bufferSize: 0 }, 'bufferSize must be'],
  ])('%o: %s', (options, message) => {
    expect(() => assent(options)).toThrow(`assent: ${message}`);
    expect(() => assent(options)).not.toThrow('secret');
  });
});
