import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type JetStreamClient, type JetStreamManager, type NatsConnection, nanos } from 'nats';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { createFreshnessTracker, type FreshnessTracker } from '../../../src/facts/freshness.ts';
import { momentOf, nanosecondsOf } from '../../../src/invalidation/jetstream.ts';
import { createListener, type Listener } from '../../../src/invalidation/listener.ts';
import { type Server, startNats } from '../../../tools/local-services/index.ts';
import { startProxy, through } from '../../../tools/network/proxy.ts';
import { portOf } from '../../support/port-of.ts';
import { until } from '../../support/until.ts';

const STREAM = 'EVENTS';
const WINDOW_MS = 360_000;
const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

let server: Server;
let nats: NatsConnection;
let js: JetStreamClient;
let manager: JetStreamManager;
const listeners: Listener[] = [];

const reconnect = async (): Promise<void> => {
  nats = await connect({ servers: server.url });
  js = nats.jetstream();
  manager = await nats.jetstreamManager({ checkAPI: false });
};
beforeAll(async () => {
  server = await startNats();
  await reconnect();
});
beforeEach(async () => {
  await manager.streams.delete(STREAM).catch(() => {});
});
afterEach(async () => {
  await Promise.all(listeners.splice(0).map((listener) => listener.stop()));
});
afterAll(async () => {
  await nats.close();
  await server.stop();
});

interface Ear {
  readonly freshness: FreshnessTracker;
  readonly outcomes: string[];
  readonly states: string[];
  /** What was last said of how far behind it is. */
  lag(): number | null | undefined;
}
const listen = async (url = server.url, mode: 'stream' | 'core' = 'stream', windowMs = WINDOW_MS): Promise<Ear> => {
  const clock = systemClock;
  const freshness = createFreshnessTracker({
    clock,
    leaseMs: 2_000,
    rememberMs: windowMs,
    maxRemembered: 10_000,
  });
  const outcomes: string[] = [];
  const states: string[] = [];
  let lag: number | null | undefined;
  const listener = createListener({
    url,
    stream: STREAM,
    prefix: 'betterauth',
    mode,
    domain: null,
    windowMs,
    renewalIntervalMs: 100,
    sink: freshness,
    clock,
    observer: {
      event: (outcome) => outcomes.push(outcome),
      lag: (messages) => {
        lag = messages;
      },
      state: (state, detail) => states.push(`${state}: ${detail}`),
    },
  });
  listeners.push(listener);
  await listener.readyWithin(5_000);
  return { freshness, outcomes, states, lag: () => lag };
};
const publish = async (name: string, payload: unknown = { userId: 'u', organizationId: 'o' }): Promise<number> =>
  (await js.publish(`betterauth.${name}`, encode(payload))).seq;
const applied = (ear: Ear, seq: number) => until(`position ${seq}`, () => ear.freshness.revision().seq >= seq);

describe('a listener', () => {
  it('makes the stream, hears every event in order, and proves that it hears', async () => {
    const ear = await listen();
    expect(ear.freshness.isLive()).toBe(true);
    const { config } = await manager.streams.info(STREAM);
    expect(config.subjects).toEqual(['betterauth.>']);
    expect(config.max_age).toBeGreaterThanOrEqual(nanos(WINDOW_MS));
    const before = ear.freshness.revision();
    await applied(ear, await publish('member.removed'));
    expect(ear.freshness.isCurrent(before, 'u', 'o')).toBe(false);
    expect(ear.freshness.isCurrent(before, 'u', 'p')).toBe(true);
  });

  it('says when the stream took the message of its position, to the nanosecond, and so does one that starts later', async () => {
    const ear = await listen();
    await publish('user.updated');
    const seq = await publish('user.updated');
    await applied(ear, seq);
    const { time } = await manager.streams.getMessage(STREAM, { seq });
    const { epoch, takenAt } = ear.freshness.applied();
    const { timestamp } = await manager.streams.getMessage(STREAM, { seq });
    expect(takenAt).toBe(nanosecondsOf(timestamp));
    expect(Date.parse(momentOf(takenAt ?? ''))).toBe(time.getTime());
    expect((await listen()).freshness.applied()).toEqual({ epoch, seq, takenAt });
    await manager.streams.purge(STREAM);
    expect((await listen()).freshness.applied()).toEqual({ epoch, seq, takenAt });
  });

  it('is one of many: every process hears every event', async () => {
    const ears = await Promise.all([listen(), listen(), listen()]);
    const seq = await publish('user.updated');
    await Promise.all(ears.map((ear) => applied(ear, seq)));
  });

  it('hears at the start what happened while it was away, and takes the floor from there', async () => {
    const first = await listen();
    const before = first.freshness.revision();
    await publish('user.updated');
    const seq = await publish('user.updated', { userId: 'v' });
    await applied(first, seq);
    const late = await listen();
    expect(late.freshness.revision()).toEqual(first.freshness.revision());
    expect(late.freshness.isCurrent(before, 'u', null)).toBe(false);
    expect(late.freshness.isCurrent({ ...before, seq: 1 }, 'u', null)).toBe(true);
    expect(late.freshness.isCurrent({ ...before, seq: 1 }, 'v', null)).toBe(false);
  });

  it('trusts nothing from before what it can replay', async () => {
    const first = await listen();
    const before = first.freshness.revision();
    await applied(first, await publish('user.updated'));
    await manager.streams.purge(STREAM);
    const late = await listen();
    expect(late.freshness.revision().seq).toBe(1);
    expect(late.freshness.isCurrent(before, 'x', null)).toBe(false);
  });

  it('counts what it does not know, takes what it cannot read for a resync, and goes on', async () => {
    const ear = await listen();
    const before = ear.freshness.revision();
    await publish('something.new');
    await applied(ear, await publish('user.updated', {}));
    expect(ear.freshness.isCurrent(before, 'anybody', 'anywhere')).toBe(false);
    const between = ear.freshness.revision();
    await applied(ear, await publish('user.updated', { userId: 'u' }));
    expect(ear.freshness.isCurrent(between, 'v', null)).toBe(true);
    expect(ear.outcomes).toEqual(['unknown', 'malformed', 'applied']);
  });

  it('turns a burst of unreadable events into one resync at its end, and its position waits for that', async () => {
    const ear = await listen();
    await publish('user.updated', {});
    const during = ear.freshness.revision();
    const last = await publish('user.updated', {});
    await applied(ear, last);
    await until('the position', () => ear.freshness.applied().seq === last);
    expect(ear.freshness.isCurrent({ ...during, seq: last - 1 }, 'v', null)).toBe(false);
  });

  it('begins anew with a stream that was deleted and made again', async () => {
    const ear = await listen();
    await applied(ear, await publish('user.updated'));
    const before = ear.freshness.revision();
    await manager.streams.delete(STREAM);
    await until('another epoch', () => ear.freshness.revision().epoch !== before.epoch && ear.freshness.isLive());
    expect(ear.freshness.isCurrent(before, 'x', null)).toBe(false);
    await applied(ear, await publish('user.updated'));
  });

  it('notices messages that were purged before they came', async () => {
    const proxy = await startProxy(portOf(server.url));
    const ear = await listen(through(server.url, proxy));
    const before = ear.freshness.revision();
    proxy.setMode('stall');
    for (let count = 0; count < 3; count += 1) await publish('user.updated', { userId: `u${count}` });
    await manager.streams.purge(STREAM);
    proxy.cut();
    proxy.setMode('pass');
    await until('a lease again', () => ear.freshness.revision().seq >= 3 && ear.freshness.isLive());
    expect(ear.freshness.isCurrent(before, 'anybody', null)).toBe(false);
    await listeners.pop()?.stop();
    await proxy.close();
  });

  it('goes on without a gap after a cut, and is deaf meanwhile', async () => {
    const proxy = await startProxy(portOf(server.url));
    const ear = await listen(through(server.url, proxy));
    const { epoch } = ear.freshness.revision();
    await until('it is known how far behind it is', () => ear.lag() === 0);
    proxy.setMode('stall');
    const seq = await publish('user.updated');
    await until('the lease to run out', () => !ear.freshness.isLive());
    expect(ear.freshness.revision().seq).toBeLessThan(seq);
    await until('it is not known any more', () => ear.lag() === null);
    proxy.cut();
    proxy.setMode('pass');
    await until('a lease again', () => ear.freshness.isLive());
    expect(ear.freshness.revision()).toEqual({ epoch, seq });
    await listeners.pop()?.stop();
    await proxy.close();
  });

  it('lives through a restart of the server with its data', async () => {
    const ear = await listen();
    await applied(ear, await publish('user.updated'));
    const before = ear.freshness.revision();
    await nats.close();
    await server.restart();
    await reconnect();
    await until('a lease again', () => ear.freshness.isLive());
    expect(ear.freshness.revision()).toEqual(before);
    await applied(ear, await publish('user.updated'));
  });

  it('does not trust a stream that takes only some of the events', async () => {
    await manager.streams.add({ name: STREAM, subjects: ['betterauth.member.>'] });
    const freshness = await Promise.race([
      listen().then((ear) => ear),
      until('never', () => false, 700).catch(() => null),
    ]);
    expect(freshness).toBeNull();
  });
});

describe('core NATS', () => {
  it('each subscription is an epoch of its own', async () => {
    const core = await startNats({ jetstream: false });
    try {
      const [one, other] = [await listen(core.url, 'core'), await listen(core.url, 'core')];
      expect(one.freshness.revision().epoch).toMatch(/^core:/);
      expect(one.freshness.revision().epoch).not.toBe(other.freshness.revision().epoch);
      const before = one.freshness.revision();
      const client = await connect({ servers: core.url });
      client.publish('betterauth.member.removed', encode({ userId: 'u', organizationId: 'o' }));
      await client.flush();
      await Promise.all([applied(one, 1), applied(other, 1)]);
      expect(one.freshness.isCurrent(before, 'u', 'o')).toBe(false);
      await client.close();
      await core.restart();
      await until('another epoch', () => one.freshness.revision().epoch !== before.epoch && one.freshness.isLive());
    } finally {
      await Promise.all(listeners.splice(0).map((listener) => listener.stop()));
      await core.stop();
    }
  });

  it('is where a process stays that is told to use it, whatever JetStream the server has', async () => {
    const ear = await listen(server.url, 'core');
    expect(ear.freshness.isLive()).toBe(true);
    const { epoch } = ear.freshness.revision();
    expect(epoch).toMatch(/^core:/);
    expect(ear.lag()).toBeUndefined();
    await manager.streams.add({ name: STREAM, subjects: ['betterauth.>'] });
    for (let count = 0; count < 2; count += 1) await publish('user.updated');
    await applied(ear, 2);
    expect(ear.freshness.revision()).toEqual({ epoch, seq: 2 });
  });
});

describe('without JetStream', () => {
  /** A server whose JetStream is turned on and off. */
  const startChanging = async (jetstream: boolean) => {
    const folder = await mkdtemp(join(tmpdir(), 'assent-test-'));
    const file = join(folder, 'nats.conf');
    const configure = (on: boolean) =>
      writeFile(file, `debug: false\n${on ? `jetstream { store_dir: ${JSON.stringify(folder)} }\n` : ''}`);
    await configure(jetstream);
    const own = await startNats({ jetstream: false, args: ['-c', file] });
    onTestFinished(async () => {
      await Promise.all(listeners.splice(0).map((listener) => listener.stop()));
      await own.stop();
      await rm(folder, { recursive: true, force: true });
    });
    return { own, configure };
  };
  const jetStreamAnswers = async (url: string): Promise<void> => {
    const client = await connect({ servers: url });
    await until('JetStream answers', () =>
      client.jetstreamManager().then(
        () => true,
        () => false,
      ),
    );
    await client.close();
  };

  it('at the start a process is stale and says so, and it is live by itself once JetStream is there', async () => {
    const { own, configure } = await startChanging(false);
    const ear = await listen(own.url);
    await until('three tries', () => ear.states.length > 2);
    expect(new Set(ear.states)).toEqual(new Set([expect.stringMatching(/^stale: JetStream does not answer/)]));
    expect(ear.freshness.isLive()).toBe(false);
    await configure(true);
    await own.kill('SIGHUP');
    await jetStreamAnswers(own.url);
    await until('a live subscription', () => ear.freshness.isLive());
    expect(ear.freshness.revision().epoch).toMatch(/^js:/);
  });

  it('a process is stale where it was live before, and goes on in the same epoch once JetStream is back', async () => {
    const { own, configure } = await startChanging(true);
    const ear = await listen(own.url);
    expect(ear.freshness.isLive()).toBe(true);
    const publishTo = async (userId: string): Promise<void> => {
      const client = await connect({ servers: own.url });
      client.publish('betterauth.user.updated', encode({ userId }));
      await client.flush();
      await client.close();
    };
    await publishTo('u');
    await applied(ear, 1);
    const before = ear.freshness.revision();
    await configure(false);
    await own.restart();
    await until('the lease to run out', () => !ear.freshness.isLive());
    const tries = ear.states.length;
    await until('three more tries', () => ear.states.length > tries + 2);
    await publishTo('v');
    expect(ear.freshness.isLive()).toBe(false);
    expect(ear.freshness.revision()).toEqual(before);
    await configure(true);
    await own.restart();
    await until('a live subscription again', () => ear.freshness.isLive());
    expect(ear.freshness.revision()).toEqual(before);
    await publishTo('v');
    await applied(ear, 2);
    expect(ear.freshness.isCurrent(before, 'v', null)).toBe(false);
  });

  it('a process is stale while JetStream answers with an error', async () => {
    const core = await startNats({ jetstream: false });
    onTestFinished(async () => {
      await Promise.all(listeners.splice(0).map((listener) => listener.stop()));
      await core.stop();
    });
    const client = await connect({ servers: core.url });
    const error = { code: 503, err_code: 10008, description: 'JetStream system temporarily unavailable' };
    client.subscribe('$JS.API.>', { callback: (_, message) => void message.respond(encode({ error })) });
    await client.flush();
    const ear = await listen(core.url);
    await until('two tries', () => ear.states.length > 1);
    expect(new Set(ear.states)).toEqual(new Set(['stale: JetStream system temporarily unavailable']));
    expect(ear.freshness.isLive()).toBe(false);
    await client.close();
  });
});
