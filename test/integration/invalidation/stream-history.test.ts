/** Streams whose past changes: rolled back, created again, without the last applied message. Real servers are killed and restored. */
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type NatsConnection } from 'nats';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { createFreshnessTracker, type FreshnessTracker } from '../../../src/facts/freshness.ts';
import { lastSeqBefore, nanosecondsOf, snapshotOf } from '../../../src/invalidation/jetstream.ts';
import { createListener, type Listener } from '../../../src/invalidation/listener.ts';
import { historyAfter } from '../../../src/invalidation/resume-plan.ts';
import { type InvalidationSink, inOrder } from '../../../src/invalidation/sink.ts';
import { type Server, startNats } from '../../../tools/local-services/index.ts';
import { startProxy, type TcpProxy, through } from '../../../tools/network/proxy.ts';
import { until } from '../../support/until.ts';

const STREAM = 'EVENTS';
const encoder = new TextEncoder();

let server: Server;
let proxy: TcpProxy;
let freshness: FreshnessTracker;
let listener: Listener;
let client: NatsConnection;
/** The tracker of a process with a direct connection. */
let direct: FreshnessTracker;
let directListener: Listener;
let renewals: { readonly of: number; readonly came: number }[];

const startListener = (url: string, sink: InvalidationSink): Listener =>
  createListener({
    ...{ url, stream: STREAM, prefix: 'betterauth', mode: 'stream', domain: null },
    ...{ windowMs: 360_000, renewalIntervalMs: 100, sink, clock: systemClock },
    observer: { event: () => {}, lag: () => {}, state: () => {} },
  });

beforeEach(async () => {
  server = await startNats({ own: true });
  proxy = await startProxy(server.port);
  renewals = [];
  freshness = createFreshnessTracker({ clock: systemClock, leaseMs: 600, rememberMs: 360_000, maxRemembered: 1_000 });
  const watching = { renewLease: (at: number) => void renewals.push({ of: at, came: systemClock.monotonic() }) };
  listener = startListener(through(server.url, proxy), inOrder(watching, freshness));
  direct = createFreshnessTracker({ clock: systemClock, leaseMs: 600, rememberMs: 360_000, maxRemembered: 1_000 });
  directListener = startListener(server.url, direct);
  await Promise.all([listener.readyWithin(5_000), directListener.readyWithin(5_000)]);
  client = await connect({ servers: server.url });
});
afterEach(async () => {
  await client.close();
  await Promise.all([listener.stop(), directListener.stop()]);
  await proxy.close();
  await server.stop();
});

const publish = async (...users: readonly string[]): Promise<number> => {
  let last = 0;
  for (const userId of users) {
    const payload = encoder.encode(JSON.stringify({ userId }));
    last = (await client.jetstream().publish('betterauth.user.updated', payload)).seq;
  }
  return last;
};
const applied = (seq: number) => until(`the revision ${seq}`, () => freshness.revision().seq >= seq);
/** Cuts the listener off from the server. */
const lockOut = (): void => {
  proxy.setMode('refuse');
  proxy.cut();
};
const letIn = async (): Promise<void> => {
  const { epoch, seq } = freshness.revision();
  // An earlier lease does not count here: the test needs a renewal from now on.
  await until('the lease to run out', () => !freshness.isLive());
  proxy.setMode('pass');
  await until(`a lease again after ${epoch}:${seq}`, () => freshness.isLive());
};

describe('a stream', () => {
  it('a stream that was rolled back and has passed the last applied number again gets another epoch', async () => {
    await publish('a');
    const copy = await mkdtemp(join(tmpdir(), 'assent-nats-copy-'));
    await client.close();
    await server.kill('SIGTERM');
    const folder = server.folder ?? '';
    await cp(folder, copy, { recursive: true });
    await server.restart();
    client = await connect({ servers: server.url });
    await until('a lease again', () => freshness.isLive());
    await applied(await publish('b', 'c'));
    const before = freshness.revision();
    // Otherwise it would resume from a message that both histories have, and rightly keep its epoch.
    await until('the other process', () => direct.revision().seq === before.seq);

    lockOut();
    await client.close();
    await server.kill('SIGKILL');
    for (const name of await readdir(folder)) await rm(join(folder, name), { recursive: true });
    await cp(copy, folder, { recursive: true });
    await rm(copy, { recursive: true });
    await server.restart();
    client = await connect({ servers: server.url });
    // Numbers 2 and 3 again, for others than the first time.
    expect(await publish('x', 'y', 'z')).toBe(before.seq + 1);
    await letIn();
    for (const userId of ['x', 'y', 'z', 'somebody'])
      expect(freshness.isCurrent(before, userId, null), userId).toBe(false);
    expect(freshness.revision().epoch).not.toBe(before.epoch);

    // Both noticed it, one of them before there were new messages, and name the new history alike from then on.
    await until('the other process', () => direct.isLive());
    const { epoch } = freshness.applied();
    expect(epoch).toMatch(/^js:EVENTS:.+~1\.[\w-]{8}$/);
    expect(direct.applied().epoch).toBe(epoch);
    await applied(await publish('u'));
    await until('the event', () => direct.applied().seq === freshness.applied().seq);
    expect(freshness.applied()).toEqual(direct.applied());
    expect(freshness.applied().epoch).toBe(epoch);
    // A process that starts now has only the moments of the messages to compare.
    const young = createFreshnessTracker({
      clock: systemClock,
      leaseMs: 600,
      rememberMs: 360_000,
      maxRemembered: 1_000,
    });
    const youngListener = startListener(server.url, young);
    await youngListener.readyWithin(5_000);
    await youngListener.stop();
    expect(young.applied()).toEqual({ ...freshness.applied(), epoch: before.epoch });
  });

  it('a stream that was rolled back twice to the same message has another history each time', async () => {
    await publish('a');
    const manager = await client.jetstreamManager();
    const snapshot = snapshotOf(await manager.streams.info(STREAM));
    const rolledBack = (history: string) =>
      historyAfter({ stream: snapshot.identity, history, applied: 9, takenAt: null }, snapshot, (moment) =>
        lastSeqBefore(manager, STREAM, moment),
      );
    const first = await rolledBack(snapshot.identity);
    const second = await rolledBack(first);
    for (const history of [first, second]) expect(history).toMatch(/^js:EVENTS:.+~1\.[\w-]{8}$/);
    expect(second).not.toBe(first);
  });

  it('a stream without the last applied message, but with later ones, goes on after a gap', async () => {
    const last = await publish('a');
    await applied(last);
    const before = freshness.revision();
    lockOut();
    await publish('b', 'c');
    await (await client.jetstreamManager()).streams.deleteMessage(STREAM, last, false);
    await letIn();
    expect(freshness.revision()).toEqual({ epoch: before.epoch, seq: last + 2 });
    expect(freshness.isCurrent(before, 'somebody', null)).toBe(false);
    expect(freshness.isCurrent(freshness.revision(), 'b', null)).toBe(true);
  });

  it('a stream that was emptied and has no newer message keeps its epoch', async () => {
    await applied(await publish('a', 'b'));
    const before = freshness.revision();
    await (await client.jetstreamManager()).streams.purge(STREAM);
    lockOut();
    await letIn();
    expect(freshness.revision()).toEqual(before);
    expect(freshness.isCurrent(before, 'somebody', null)).toBe(true);
  });

  it('the stream of a server that came back without its data gets another epoch', async () => {
    await applied(await publish('a', 'b'));
    const before = freshness.revision();
    await client.close();
    await server.restart({ empty: true });
    client = await connect({ servers: server.url });
    await until('another epoch', () => freshness.revision().epoch !== before.epoch && freshness.isLive());
    expect(freshness.isCurrent(before, 'somebody', null)).toBe(false);
    await applied(await publish('c'));
  });

  it('a subscription whose consumer was deleted resumes without a gap', async () => {
    await applied(await publish('a'));
    const before = freshness.revision();
    const manager = await client.jetstreamManager();
    for await (const { name } of manager.consumers.list(STREAM)) await manager.consumers.delete(STREAM, name);
    const last = await publish('b');
    await applied(last);
    await until('a lease', () => freshness.isLive());
    expect(freshness.revision()).toEqual({ epoch: before.epoch, seq: last });
    expect(freshness.isCurrent(before, 'b', null)).toBe(false);
    expect(freshness.isCurrent(before, 'somebody', null)).toBe(true);
  });
});

describe('a liveness check', () => {
  it('a lease counts from the question of the liveness check, however long the answer took', async () => {
    const delayMs = 150;
    proxy.setDelay(delayMs);
    const before = renewals.length;
    // The first may have been on its way.
    await until('some renewals', () => renewals.length > before + 2);
    for (const { of, came } of renewals.slice(before + 1)) expect(came - of).toBeGreaterThanOrEqual(delayMs);
  });
});

describe('a moment of a JetStream answer', () => {
  it.each([
    ['2026-11-25T10:51:21.8642756Z', '1795603881864275600'],
    ['2026-11-25T10:51:21Z', '1795603881000000000'],
    ['2026-11-25T12:51:21.5+02:00', '1795603881500000000'],
    ['0001-01-01T00:00:00Z', null],
    ['', null],
  ])('the moment %s is %s nanoseconds', (moment, expected) => {
    expect(nanosecondsOf(moment)).toBe(expected);
  });
});
