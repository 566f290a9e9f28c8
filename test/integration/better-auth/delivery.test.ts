/** How events reach NATS when it is away, slow, or gone for good: requests do not notice, and no loss is silent. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'nats';
import { afterAll, describe, expect, inject, it, onTestFinished, vi } from 'vitest';
import { type AssentOptions, assent } from '../../../packages/better-auth/src/index.ts';
import { createPublisher } from '../../../packages/better-auth/src/publisher.ts';
import { freePort, startNats } from '../../../tools/local-services/index.ts';
import { startProxy, through } from '../../../tools/network/proxy.ts';
import { acknowledged } from '../../support/better-auth/acknowledged.ts';
import { type Application, createApplication } from '../../support/better-auth/application.ts';
import { recordEvents } from '../../support/better-auth/event-recorder.ts';
import { startOneWayProxy } from '../../support/better-auth/one-way-proxy.ts';
import { testDatabase } from '../../support/database.ts';
import { testStreamName } from '../../support/nats.ts';
import { portOf } from '../../support/port-of.ts';
import { until } from '../../support/until.ts';

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
const record = (at: string, prefix: string) => recordEvents(at, prefix, () => {}, onTestFinished);

const setUp = async (options: Partial<AssentOptions> = {}) => {
  const { prefix, stream } = ownStream();
  const proxy = await startProxy(portOf(url));
  onTestFinished(() => proxy.close());
  const application = start({ nats: through(url, proxy), prefix, stream, ...options });
  return { application, proxy, prefix, stream, recorder: await record(url, prefix) };
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
const idle = (application: Application) => acknowledged(application.plugin, 20_000);
const ours = (application: Application) => application.warnings.filter((line) => line.includes('assent'));

const messagesOf = async (stream: string): Promise<number> => {
  const connection = await connect({ servers: url });
  const info = await (await connection.jetstreamManager()).streams.info(stream);
  await connection.close();
  return info.state.messages;
};

it('the publisher creates the stream as Assent would create it', async () => {
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
  'while NATS is away from the start (%s) requests go on, and later all events and a resync are published',
  async (mode) => {
    const { application, proxy, recorder } = await setUp();
    proxy.setMode(mode);
    // Did each of these wait for NATS, which takes two seconds to be given up, the test would not end in time.
    const organizationId = await newOrganization(application);
    await addEverybody(application, organizationId);
    expect(application.plugin?.pending()).toBe(2 + people.length);
    await until('it is said', () => ours(application).length === 1);
    proxy.setMode('pass');
    await idle(application);
    await recorder.catchUp();
    // A process before this one may have ended with events that it could not publish.
    expect(recorder.events).toEqual([
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

it('events of a time without NATS are published later, each once, and without a resync', async () => {
  const { application, proxy, recorder, stream } = await setUp();
  const organizationId = await newOrganization(application);
  await idle(application);
  await recorder.catchUp();
  recorder.events.length = 0;
  const before = await messagesOf(stream);
  proxy.setMode('refuse');
  proxy.cut();
  await addEverybody(application, organizationId);
  expect(application.plugin?.pending()).toBe(people.length);
  await until('it is said', () => ours(application).length === 1);
  proxy.setMode('pass');
  await idle(application);
  await recorder.catchUp();
  expect(recorder.events).toEqual(added(organizationId));
  expect(await messagesOf(stream)).toBe(before + people.length);
});

it('events are published as soon as NATS is back when the clock was set back by an hour meanwhile', async () => {
  const { application, proxy, recorder } = await setUp();
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
  await recorder.catchUp();
  expect(recorder.events.slice(-people.length)).toEqual(added(organizationId));
});

it('an event whose acknowledgement is lost is published again with the same id, and stored once', async () => {
  const { prefix, stream } = ownStream();
  const proxy = await startOneWayProxy(portOf(url));
  onTestFinished(() => proxy.close());
  const application = start({ nats: through(url, proxy), prefix, stream });
  const recorder = await record(url, prefix);
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
  await recorder.catchUp();
  expect(recorder.events.at(-1)).toEqual({ name: 'member.added', userId: person?.id, organizationId });
  expect([...recorder.counts.values()].at(-1)).toBeGreaterThan(1);
  expect(await messagesOf(stream)).toBe(before + 1);
});

it('more events than the queue holds are replaced by one resync, and that is logged', async () => {
  const { application, proxy, recorder } = await setUp({ bufferSize: 8 });
  const organizationId = await newOrganization(application);
  await idle(application);
  await recorder.catchUp();
  recorder.events.length = 0;
  proxy.setMode('refuse');
  proxy.cut();
  await addEverybody(application, organizationId);
  expect(application.plugin?.pending()).toBeLessThanOrEqual(8);
  proxy.setMode('pass');
  await idle(application);
  await recorder.catchUp();
  // Every change is either published by name or was made before a resync.
  const resync = recorder.events.findIndex(({ name }) => name === 'resync');
  expect(resync).toBe(0);
  expect(recorder.events.slice(1)).toEqual(added(organizationId).slice(-(recorder.events.length - 1)));
  expect(ours(application).filter((line) => line.includes('given up')).length).toBeGreaterThan(0);
});

it('the queue of events stays bounded during a long absence of NATS, and one resync replaces all dropped events', async () => {
  const { prefix, stream } = ownStream();
  const proxy = await startProxy(portOf(url));
  onTestFinished(() => proxy.close());
  proxy.setMode('refuse');
  const warnings: string[] = [];
  const publisher = createPublisher({
    ...{ url: through(url, proxy), prefix, stream, mode: 'stream', domain: null, bufferSize: 1_000 },
    warn: (line) => void warnings.push(line),
  });
  onTestFinished(() => publisher.rest());
  // An hour at 30 changes a second.
  for (let second = 0; second < 3_600; second += 1) {
    publisher.publish(
      Array.from({ length: 30 }, (_, index) => ({ name: 'user.updated', userId: `${second}-${index}` }) as const),
    );
    expect(publisher.pending()).toBeLessThanOrEqual(1_000);
    if (second % 100 === 0) await new Promise(setImmediate);
  }
  const last = publisher.pending();
  const recorder = await record(url, prefix);
  proxy.setMode('pass');
  await acknowledged(publisher, 20_000);
  await recorder.catchUp();
  expect(recorder.events[0]).toEqual({ name: 'resync' });
  expect(recorder.events.slice(1, last).map(({ name }) => name)).toEqual(
    Array.from({ length: last - 1 }, () => 'user.updated'),
  );
  expect(recorder.events[last - 1]).toEqual({ name: 'user.updated', userId: '3599-29' });
  expect(warnings.filter((line) => line.includes('a resync follows')).length).toBeGreaterThan(100);
});

it('a server without TLS at a tls:// URL is logged, and receives nothing', async () => {
  const { prefix, stream } = ownStream();
  const application = start({ nats: url.replace('nats:', 'tls:'), prefix, stream });
  await newOrganization(application);
  await until('it is said', () => ours(application).length > 0);
  expect(ours(application).join()).toMatch(/tls/i);
  expect(application.plugin?.pending()).toBeGreaterThan(0);
});

it('a stream that does not take the events is logged, and the events are published once it does', async () => {
  const { application, recorder, prefix, stream } = await setUp();
  const connection = await connect({ servers: url });
  const manager = await connection.jetstreamManager();
  await manager.streams.add({ name: stream, subjects: [`${prefix}.member.*`] });
  const organizationId = await newOrganization(application);
  await until('it is said', () => ours(application).length === 1);
  expect(ours(application)[0]).toContain(`does not take ${prefix}.user.updated`);
  await manager.streams.update(stream, { subjects: [`${prefix}.>`] });
  await idle(application);
  await connection.close();
  await recorder.catchUp();
  expect(recorder.events).toContainEqual({ name: 'member.added', userId: owner.id, organizationId });
});

it('another stream that takes the events is not accepted, and the events are published once the right stream takes them', async () => {
  const { application, recorder, prefix, stream } = await setUp();
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
  await recorder.catchUp();
  expect(recorder.events).toContainEqual(added(organizationId)[0]);
  expect(await messagesOf(stream)).toBe(before + 1);
});

describe('core mode', async () => {
  const server = await startNats({ jetstream: false });
  afterAll(() => server.stop());

  it('in core mode the plugin publishes to the current subscribers, on a server without JetStream', async () => {
    const application = start({ nats: server.url, mode: 'core' });
    const recorder = await record(server.url, 'betterauth');
    const organizationId = await newOrganization(application);
    await idle(application);
    await recorder.catchUp();
    expect(recorder.events).toContainEqual({ name: 'member.added', userId: owner.id, organizationId });
    expect(await application.plugin?.published()).toBeNull();
    expect(ours(application)).toEqual([]);
  });

  it('in core mode the plugin makes no stream on a server with JetStream', async () => {
    const { application, recorder, stream } = await setUp({ mode: 'core' });
    const organizationId = await newOrganization(application);
    await idle(application);
    await recorder.catchUp();
    expect(recorder.events).toContainEqual({ name: 'member.added', userId: owner.id, organizationId });
    await expect(messagesOf(stream)).rejects.toThrow('stream not found');
  });

  it.each(['with a reset', 'in silence'])(
    'in core mode the plugin publishes again after its connection broke %s',
    async (how) => {
      const proxy = await startProxy(server.port);
      onTestFinished(() => proxy.close());
      const application = start({ nats: through(server.url, proxy), mode: 'core' });
      const recorder = await record(server.url, 'betterauth');
      const organizationId = await newOrganization(application);
      await idle(application);
      proxy.setMode('stall');
      await add(application, organizationId, people[0]?.id ?? '');
      await until('it is on its way', () => application.plugin?.pending() === 1);
      if (how === 'with a reset') proxy.cut();
      await until('it is said', () => ours(application).length === 1);
      proxy.setMode('pass');
      await idle(application);
      await recorder.catchUp();
      expect(recorder.events).toContainEqual(added(organizationId)[0]);
    },
  );
});

it('events are kept on a server without JetStream, and published once JetStream answers, also after a second absence', async () => {
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
  const application = start({ nats: server.url });
  const organizationId = await newOrganization(application);
  await until('it is said', () => ours(application).length === 1);
  expect(ours(application)[0]).toContain('JetStream does not answer');
  expect(application.plugin?.pending()).toBe(2);

  await configure(true);
  await server.kill('SIGHUP');
  await idle(application);
  const kept = async (): Promise<readonly string[]> => {
    const connection = await connect({ servers: server.url });
    const manager = await connection.jetstreamManager();
    const { state } = await manager.streams.info('BETTERAUTH');
    const subjects: string[] = [];
    for (let seq = 1; seq <= state.last_seq; seq += 1) {
      subjects.push((await manager.streams.getMessage('BETTERAUTH', { seq })).subject.replace('betterauth.', ''));
    }
    await connection.close();
    return subjects;
  };
  expect(await kept()).toEqual(['organization.updated', 'member.added', 'resync']);

  await configure(false);
  await server.restart();
  await add(application, organizationId, people[0]?.id ?? '');
  await until('it is said', () => ours(application).length === 3);
  expect(application.plugin?.pending()).toBe(1);
  await configure(true);
  await server.restart();
  await idle(application);
  expect(await kept()).toEqual(['organization.updated', 'member.added', 'resync', 'member.added']);
});

it('the stream is created in the configured JetStream domain, and events are published to it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'assent-test-'));
  const [hubFile, leafFile] = [join(folder, 'hub.conf'), join(folder, 'leaf.conf')];
  const leafPort = await freePort();
  await writeFile(
    hubFile,
    `jetstream { store_dir: ${JSON.stringify(folder)}, domain: hub }\nleafnodes { listen: "127.0.0.1:${leafPort}" }\n`,
  );
  await writeFile(leafFile, `leafnodes { remotes: [{ url: "nats-leaf://127.0.0.1:${leafPort}" }] }\n`);
  const hub = await startNats({ jetstream: false, args: ['-c', hubFile] });
  const leaf = await startNats({ jetstream: false, args: ['-c', leafFile] });
  onTestFinished(async () => {
    await leaf.stop();
    await hub.stop();
    await rm(folder, { recursive: true });
  });
  const application = start({ nats: leaf.url, domain: 'hub' });
  await newOrganization(application);
  await idle(application);
  const connection = await connect({ servers: hub.url });
  const { state } = await (await connection.jetstreamManager()).streams.info('BETTERAUTH');
  await connection.close();
  expect(state.messages).toBeGreaterThanOrEqual(2);
  expect(await application.plugin?.published()).toEqual({ stream: 'BETTERAUTH', sequence: state.last_seq });
});

describe('await: true', () => {
  it('with await a write returns once NATS has its event, and gives its sequence', async () => {
    const { application, proxy, stream } = await setUp({ await: true, awaitMs: 10_000 });
    proxy.setDelay(20);
    const organizationId = await newOrganization(application);
    for (const { id } of people.slice(0, 3)) {
      const before = await messagesOf(stream);
      await add(application, organizationId, id);
      expect(await messagesOf(stream)).toBe(before + 1);
      expect(await application.plugin?.published()).toEqual({ stream, sequence: before + 1 });
    }
    await application.auth.api.deleteOrganization({ body: { organizationId }, headers: owner.headers });
    expect(application.plugin?.pending()).toBe(0);
    expect(ours(application)).toEqual([]);
  });

  it('with await and without NATS a write succeeds after the bound, its event stays queued, and that is logged', async () => {
    const { application, proxy, recorder } = await setUp({ await: true, awaitMs: 50 });
    proxy.setMode('refuse');
    const organizationId = await newOrganization(application);
    expect(organizationId).not.toBe('');
    expect(ours(application).join('\n')).toContain('a write returned before NATS acknowledged its event (50 ms)');
    expect(await application.plugin?.published(50)).toBeNull();
    proxy.setMode('pass');
    await idle(application);
    await recorder.catchUp();
    expect(recorder.events).toContainEqual({ name: 'member.added', userId: owner.id, organizationId });
  });

  it('with await a write whose event was replaced by a resync waits for the resync', async () => {
    const { application, proxy, stream } = await setUp({ await: true, awaitMs: 10_000, bufferSize: 3 });
    const organizationId = await newOrganization(application);
    proxy.setMode('hold');
    const writes = people.map(({ id }) => add(application, organizationId, id));
    await until('it is given up', () => ours(application).some((line) => line.includes('given up')));
    proxy.setMode('pass');
    await Promise.all(writes);
    expect(application.plugin?.pending()).toBe(0);
    const { sequence = 0 } = (await application.plugin?.published()) ?? {};
    expect(sequence).toBe(await messagesOf(stream));
  });
});

it('a background handler that fails does not fail the write, its event is published, and the fault is logged', async () => {
  const { prefix, stream } = ownStream();
  const handler = () => {
    throw new RangeError('not in a request');
  };
  const application = createApplication(
    { databaseUrl, assent: { nats: url, prefix, stream }, more: { advanced: { backgroundTasks: { handler } } } },
    onTestFinished,
  );
  expect(await newOrganization(application)).not.toBe('');
  await idle(application);
  expect(ours(application)[0]).toContain('advanced.backgroundTasks.handler failed (RangeError)');
});

it('close waits for events without an acknowledgement', async () => {
  const { application, recorder } = await setUp();
  const organizationId = await newOrganization(application);
  await application.plugin?.close();
  await recorder.catchUp();
  expect(recorder.events).toContainEqual({ name: 'member.added', userId: owner.id, organizationId });
});

describe('options of the plugin', () => {
  it('without a NATS URL no event is published, and that is logged once in a process', async () => {
    const application = start({ nats: undefined });
    expect(await newOrganization(application)).not.toBe('');
    expect(ours(application)).toEqual([expect.stringContaining('no NATS URL is set')]);
    const second = start({ nats: '' });
    expect(await newOrganization(second)).not.toBe('');
    expect(ours(second)).toEqual([]);
  });

  it.each([
    [{ nats: 'http://secret@127.0.0.1' }, 'nats must be a URL'],
    [{ nats: 'nats://one,two' }, 'nats must be a URL'],
    [{ nats: 'nats://one', prefix: 'a.>' }, 'prefix must be'],
    [{ nats: 'nats://one', stream: 'a.b' }, 'stream may have'],
    [{ nats: 'nats://one', mode: 'jetstream' as never }, 'mode must be'],
    [{ nats: 'nats://one', domain: 'a.b' }, 'domain may have'],
    [{ nats: 'nats://one', tls: { cert: 'cert.pem' } }, 'tls.cert and tls.key must be set together'],
    [{ nats: 'nats://secret@one', credentials: 'user.creds' }, 'credentials and a user or token in nats'],
    [{ nats: 'nats://one', bufferSize: 0 }, 'bufferSize must be'],
    [{ nats: 'nats://one', awaitMs: -1 }, 'awaitMs must be'],
  ])('the options %o are refused: %s', (options, message) => {
    expect(() => assent(options)).toThrow(`assent: ${message}`);
    expect(() => assent(options)).not.toThrow('secret');
  });
});
