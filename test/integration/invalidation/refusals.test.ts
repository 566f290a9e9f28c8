/** Servers and streams that accept a connection and yet do not deliver every event. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkStream, openPublishConnection } from '@assent/event-contract';
import { connect, type NatsConnection, type StreamInfo } from 'nats';
import { expect, it, onTestFinished } from 'vitest';
import { createPublisher } from '../../../packages/better-auth/src/publisher.ts';
import { systemClock } from '../../../src/clock.ts';
import { createFreshnessTracker, type FreshnessTracker } from '../../../src/facts/freshness.ts';
import { createListener } from '../../../src/invalidation/listener.ts';
import { type Server, startNats } from '../../../tools/local-services/index.ts';
import { startProxy, through } from '../../../tools/network/proxy.ts';
import { until } from '../../support/until.ts';

const STREAM = 'EVENTS';
/** How a publisher connects. */
const OPENING = { name: 'test', maxAgeMs: 60_000, ackTimeoutMs: 5_000, background: false } as const;

/** A server on which the listener has these permissions only; `publisher` may do everything. */
const startServer = async (jetstream: boolean, permissions: string) => {
  const folder = await mkdtemp(join(tmpdir(), 'assent-test-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'nats.conf');
  const configure = (text: string): Promise<void> =>
    writeFile(
      file,
      `authorization { users = [{ user: publisher, password: p }, { user: listener, password: p, permissions: ${text} }] }\n`,
    );
  await configure(permissions);
  const server = await startNats({ own: true, jetstream, args: ['-c', file] });
  onTestFinished(() => server.stop());
  return { server, configure };
};
const connectTo = async ({ url }: Server): Promise<NatsConnection> => {
  const client = await connect({ servers: url, user: 'publisher', pass: 'p' });
  onTestFinished(() => client.close());
  return client;
};
const asListener = (url: string): string => {
  const authorized = new URL(url);
  authorized.username = 'listener';
  authorized.password = 'p';
  return authorized.href;
};
const listen = (
  url: string,
  mode: 'stream' | 'core' = 'stream',
): { readonly freshness: FreshnessTracker; readonly states: string[] } => {
  const freshness = createFreshnessTracker({
    clock: systemClock,
    leaseMs: 600,
    rememberMs: 360_000,
    maxRemembered: 1_000,
  });
  const states: string[] = [];
  const listener = createListener({
    ...{ url: asListener(url), stream: STREAM, prefix: 'betterauth', mode, domain: null },
    ...{ windowMs: 360_000, renewalIntervalMs: 100 },
    sink: freshness,
    clock: systemClock,
    observer: { event: () => {}, lag: () => {}, state: (state, detail) => states.push(`${state}: ${detail}`) },
  });
  onTestFinished(() => listener.stop());
  return { freshness, states };
};
const staleFor = (states: readonly string[], reason: RegExp) =>
  until(`stale for ${reason}`, () => states.some((state) => state.startsWith('stale') && reason.test(state)));

const ALL = '{ publish: ">", subscribe: ["_INBOX.>", "betterauth.>"] }';
const NO_EVENTS = '{ publish: ">", subscribe: "_INBOX.>" }';
const REFUSED = /Permissions Violation for Subscription to "betterauth\.>"/;

it('a process without the permission to subscribe to core NATS is stale, although pings are answered', async () => {
  const { server } = await startServer(false, NO_EVENTS);
  const { freshness, states } = listen(server.url, 'core');
  await staleFor(states, REFUSED);
  expect(freshness.isLive()).toBe(false);
  expect(states.filter((state) => state.startsWith('live'))).toEqual([]);
});

it('a process whose permission for core NATS is withdrawn becomes stale', async () => {
  const { server, configure } = await startServer(false, ALL);
  const { freshness, states } = listen(server.url, 'core');
  await until('a lease', () => freshness.isLive());
  await configure(NO_EVENTS);
  await server.kill('SIGHUP');
  await staleFor(states, REFUSED);
  await until('stale', () => !freshness.isLive());
});

it('the listener needs exactly the documented permissions, at the start, after a cut and in a flood', async () => {
  const { server } = await startServer(
    true,
    `{ publish: ["$JS.API.STREAM.INFO.${STREAM}", "$JS.API.STREAM.MSG.GET.${STREAM}", "$JS.API.CONSUMER.CREATE.${STREAM}.>", "$JS.FC.${STREAM}.>"], subscribe: "_INBOX.>" }`,
  );
  const client = await connectTo(server);
  const js = client.jetstream();
  await (await client.jetstreamManager()).streams.add({ name: STREAM, subjects: ['betterauth.>'] });
  const proxy = await startProxy(server.port);
  onTestFinished(() => proxy.close());
  const { freshness, states } = listen(through(server.url, proxy));
  const publish = async (padding = '') =>
    (await js.publish('betterauth.user.updated', JSON.stringify({ userId: 'u', padding }))).seq;
  const applied = async (seq: number): Promise<void> => {
    await until(`event ${seq}`, () => freshness.revision().seq >= seq);
    await until('a lease', () => freshness.isLive());
  };
  await until('a lease', () => freshness.isLive());
  await applied(await publish());
  proxy.cut();
  await applied(await publish());
  // More than the server sends without an answer to its flow control.
  let last = 0;
  for (let batch = 0; batch < 10; batch += 1) {
    last = Math.max(...(await Promise.all(Array.from({ length: 40 }, () => publish('x'.repeat(60_000))))));
  }
  await applied(last);
  expect(states.filter((state) => /Permissions|stopped delivering/.test(state))).toEqual([]);
});

it('the listener names a missing permission in the same words each time, so that it is logged once', async () => {
  const { server } = await startServer(true, `{ publish: "$JS.API.STREAM.INFO.${STREAM}", subscribe: "_INBOX.>" }`);
  await (await (await connectTo(server)).jetstreamManager()).streams.add({ name: STREAM, subjects: ['betterauth.>'] });
  const { states } = listen(server.url);
  await until('it tries again', () => states.length > 1);
  expect(new Set(states)).toEqual(
    new Set([`stale: 'Permissions Violation for Publish to "$JS.API.CONSUMER.CREATE.${STREAM}.>"'`]),
  );
});

it('publishers need exactly the documented permissions', async () => {
  const { server } = await startServer(
    true,
    `{ publish: ["betterauth.>", "$JS.API.STREAM.INFO.${STREAM}"], subscribe: "_INBOX.>" }`,
  );
  const manager = await (await connectTo(server)).jetstreamManager();
  await manager.streams.add({ name: STREAM, subjects: ['betterauth.>'] });
  const where = { url: asListener(server.url), stream: STREAM, prefix: 'betterauth' };
  const relay = await openPublishConnection({ ...where, mode: 'stream', domain: null, ...OPENING });
  onTestFinished(() => relay.close());
  const event = { id: randomUUID(), subject: 'betterauth.user.updated', payload: '{"userId":"u"}' };
  expect(await relay.publish(event)).toEqual({ stream: STREAM, sequence: 1 });
  const warnings: string[] = [];
  const target = { ...where, mode: 'stream', domain: null } as const;
  const plugin = createPublisher({ ...target, bufferSize: 10, warn: (line) => void warnings.push(line) });
  plugin.publish([{ name: 'user.updated', userId: 'u' }]);
  expect(await plugin.settled(5_000)).toBe(true);
  await plugin.rest();
  expect(warnings).toEqual([]);
  expect((await manager.streams.info(STREAM)).state.messages).toBe(2);
});

it('in core mode a publisher does not count a refused event as delivered, and reports it', async () => {
  const { server } = await startServer(false, '{ publish: "betterauth.member.>", subscribe: "_INBOX.>" }');
  const where = {
    url: asListener(server.url),
    stream: STREAM,
    prefix: 'betterauth',
    mode: 'core',
    domain: null,
  } as const;
  const event = (name: string) => ({ id: randomUUID(), subject: `betterauth.${name}`, payload: '{}' });
  const relay = await openPublishConnection({ ...where, ...OPENING });
  onTestFinished(() => relay.close());
  expect(await relay.publish(event('member.added'))).toBeNull();
  const refused = 'NATS refuses to publish to "betterauth.user.updated": permissions violation';
  await expect(relay.publish(event('user.updated'))).rejects.toEqual(new Error(refused));
  const warnings: string[] = [];
  const plugin = createPublisher({ ...where, bufferSize: 10, warn: (line) => void warnings.push(line) });
  plugin.publish([{ name: 'user.updated', userId: 'u' }]);
  await until('it is said', () => warnings.length > 0);
  expect(warnings[0]).toContain(refused);
  expect(plugin.pending()).toBe(1);
});

it('the listener reports the problem of a stream', async () => {
  const { server } = await startServer(true, '{ publish: ">", subscribe: ">" }');
  const manager = await (await connectTo(server)).jetstreamManager();
  const origin = await manager.streams.add({ name: 'ORIGIN', subjects: ['betterauth.>'] });
  await manager.streams.add({ name: STREAM, mirror: { name: 'ORIGIN' } });
  const { freshness, states } = listen(server.url);
  await staleFor(states, /is a mirror, behind what publishers have acknowledged: name the stream "ORIGIN"/);
  expect(freshness.isLive()).toBe(false);

  const refusal = (changes: Partial<StreamInfo['config']>, lastSeq = 1) => {
    const info = { ...origin, config: { ...origin.config, ...changes }, state: { ...origin.state, last_seq: lastSeq } };
    return () => checkStream(info, 'betterauth');
  };
  expect(refusal({})).not.toThrow();
  expect(refusal({ subject_transform: { src: 'other.>', dest: 'betterauth.>' } })).not.toThrow();
  for (const src of ['betterauth.>', 'betterauth.user.*', '>', '']) {
    expect(refusal({ subject_transform: { src, dest: 'renamed.>' } })).toThrow(/renames/);
  }
  expect(refusal({}, Number.MAX_SAFE_INTEGER)).not.toThrow();
  expect(refusal({}, Number.MAX_SAFE_INTEGER + 1)).toThrow(/counts beyond/);
});

it('the listener notices when a stream no longer takes every event', async () => {
  const { server } = await startServer(true, '{ publish: ">", subscribe: ">" }');
  const { freshness, states } = listen(server.url);
  await until('a lease', () => freshness.isLive());
  const manager = await (await connectTo(server)).jetstreamManager();
  await manager.streams.update(STREAM, { subjects: ['betterauth.member.>'] });
  await staleFor(states, /does not take betterauth\.user\.updated/);
  await until('stale', () => !freshness.isLive());
});

it('the listener reports an account without JetStream on a server with JetStream', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'assent-test-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'nats.conf');
  await writeFile(file, 'accounts { A: { users: [{ user: listener, password: p }] } }\n');
  const server = await startNats({ own: true, args: ['-c', file] });
  onTestFinished(() => server.stop());
  const { states } = listen(server.url);
  await staleFor(states, /not enabled for account/i);
});
