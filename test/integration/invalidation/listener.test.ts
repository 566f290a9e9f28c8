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

interface Subscriber {
  readonly freshness: FreshnessTracker;
  readonly outcomes: string[];
  readonly states: string[];
  /** What was last said of how far behind it is. */
  lag(): number | null | undefined;
}
const listen = async (
  url = server.url,
  mode: 'stream' | 'core' = 'stream',
  windowMs = WINDOW_MS,
): Promise<Subscriber> => {
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
const applied = (subscriber: Subscriber, seq: number) =>
  until(`the revision ${seq}`, () => subscriber.freshness.revision().seq >= seq);

describe('a listener', () => {
  it('the listener creates the stream, applies every event in order, and renews the lease', async () => {
    const subscriber = await listen();
    expect(subscriber.freshness.isLive()).toBe(true);
    const { config } = await manager.streams.info(STREAM);
    expect(config.subjects).toEqual(['betterauth.>']);
    expect(config.max_age).toBeGreaterThanOrEqual(nanos(WINDOW_MS));
    const before = subscriber.freshness.revision();
    await applied(subscriber, await publish('member.removed'));
    expect(subscriber.freshness.isCurrent(before, 'u', 'o')).toBe(false);
    expect(subscriber.freshness.isCurrent(before, 'u', 'p')).toBe(true);
  });

  it('the applied revision has the moment of its message to the nanosecond, also in a process that starts later', async () => {
    const subscriber = await listen();
    await publish('user.updated');
    const seq = await publish('user.updated');
    await applied(subscriber, seq);
    const { time } = await manager.streams.getMessage(STREAM, { seq });
    const { epoch, takenAt } = subscriber.freshness.applied();
    const { timestamp } = await manager.streams.getMessage(STREAM, { seq });
    expect(takenAt).toBe(nanosecondsOf(timestamp));
    expect(Date.parse(momentOf(takenAt ?? ''))).toBe(time.getTime());
    expect((await listen()).freshness.applied()).toEqual({ epoch, seq, takenAt });
    await manager.streams.purge(STREAM);
    expect((await listen()).freshness.applied()).toEqual({ epoch, seq, takenAt });
  });

  it('every process applies every event', async () => {
    const subscribers = await Promise.all([listen(), listen(), listen()]);
    const seq = await publish('user.updated');
    await Promise.all(subscribers.map((subscriber) => applied(subscriber, seq)));
  });

  it('a process applies at its start the events from before, and takes the low-water mark from the first one', async () => {
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

  it('no revision from before the first event of the replay is current', async () => {
    const first = await listen();
    const before = first.freshness.revision();
    await applied(first, await publish('user.updated'));
    await manager.streams.purge(STREAM);
    const late = await listen();
    expect(late.freshness.revision().seq).toBe(1);
    expect(late.freshness.isCurrent(before, 'x', null)).toBe(false);
  });

  it('an unknown event is counted, a malformed event counts as a resync, and the listener goes on', async () => {
    const subscriber = await listen();
    const before = subscriber.freshness.revision();
    await publish('something.new');
    await applied(subscriber, await publish('user.updated', {}));
    expect(subscriber.freshness.isCurrent(before, 'anybody', 'anywhere')).toBe(false);
    const between = subscriber.freshness.revision();
    await applied(subscriber, await publish('user.updated', { userId: 'u' }));
    expect(subscriber.freshness.isCurrent(between, 'v', null)).toBe(true);
    expect(subscriber.outcomes).toEqual(['unknown', 'malformed', 'applied']);
  });

  it('a burst of malformed events is one resync at its end, and the applied revision waits for it', async () => {
    const subscriber = await listen();
    await publish('user.updated', {});
    const during = subscriber.freshness.revision();
    const last = await publish('user.updated', {});
    await applied(subscriber, last);
    await until('the applied revision', () => subscriber.freshness.applied().seq === last);
    expect(subscriber.freshness.isCurrent({ ...during, seq: last - 1 }, 'v', null)).toBe(false);
  });

  it('the listener begins a new epoch when the stream was deleted and created again', async () => {
    const subscriber = await listen();
    await applied(subscriber, await publish('user.updated'));
    const before = subscriber.freshness.revision();
    await manager.streams.delete(STREAM);
    await until(
      'another epoch',
      () => subscriber.freshness.revision().epoch !== before.epoch && subscriber.freshness.isLive(),
    );
    expect(subscriber.freshness.isCurrent(before, 'x', null)).toBe(false);
    await applied(subscriber, await publish('user.updated'));
  });

  it('the listener notices messages that were purged before their delivery', async () => {
    const proxy = await startProxy(portOf(server.url));
    const subscriber = await listen(through(server.url, proxy));
    const before = subscriber.freshness.revision();
    proxy.setMode('stall');
    for (let count = 0; count < 3; count += 1) await publish('user.updated', { userId: `u${count}` });
    await manager.streams.purge(STREAM);
    proxy.cut();
    proxy.setMode('pass');
    await until('a lease again', () => subscriber.freshness.revision().seq >= 3 && subscriber.freshness.isLive());
    expect(subscriber.freshness.isCurrent(before, 'anybody', null)).toBe(false);
    await listeners.pop()?.stop();
    await proxy.close();
  });

  it('the listener resumes without a gap after its connection was cut, and is stale meanwhile', async () => {
    const proxy = await startProxy(portOf(server.url));
    const subscriber = await listen(through(server.url, proxy));
    const { epoch } = subscriber.freshness.revision();
    await until('it is known how far behind it is', () => subscriber.lag() === 0);
    proxy.setMode('stall');
    const seq = await publish('user.updated');
    await until('the lease to run out', () => !subscriber.freshness.isLive());
    expect(subscriber.freshness.revision().seq).toBeLessThan(seq);
    await until('it is not known any more', () => subscriber.lag() === null);
    proxy.cut();
    proxy.setMode('pass');
    await until('a lease again', () => subscriber.freshness.isLive());
    expect(subscriber.freshness.revision()).toEqual({ epoch, seq });
    await listeners.pop()?.stop();
    await proxy.close();
  });

  it('the listener resumes after a restart of the server with its data', async () => {
    const subscriber = await listen();
    await applied(subscriber, await publish('user.updated'));
    const before = subscriber.freshness.revision();
    await nats.close();
    await server.restart();
    await reconnect();
    await until('a lease again', () => subscriber.freshness.isLive());
    expect(subscriber.freshness.revision()).toEqual(before);
    await applied(subscriber, await publish('user.updated'));
  });

  it('the listener stays stale on a stream that takes only some of the events', async () => {
    await manager.streams.add({ name: STREAM, subjects: ['betterauth.member.>'] });
    const freshness = await Promise.race([
      listen().then((subscriber) => subscriber),
      until('never', () => false, 700).catch(() => null),
    ]);
    expect(freshness).toBeNull();
  });
});

describe('core NATS', () => {
  it('each subscription to core NATS has its own epoch', async () => {
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

  it('a process in core mode stays on core NATS, also on a server with JetStream', async () => {
    const subscriber = await listen(server.url, 'core');
    expect(subscriber.freshness.isLive()).toBe(true);
    const { epoch } = subscriber.freshness.revision();
    expect(epoch).toMatch(/^core:/);
    expect(subscriber.lag()).toBeUndefined();
    await manager.streams.add({ name: STREAM, subjects: ['betterauth.>'] });
    for (let count = 0; count < 2; count += 1) await publish('user.updated');
    await applied(subscriber, 2);
    expect(subscriber.freshness.revision()).toEqual({ epoch, seq: 2 });
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

  it('a process that starts without JetStream is stale and reports it, and becomes live once JetStream is there', async () => {
    const { own, configure } = await startChanging(false);
    const subscriber = await listen(own.url);
    await until('three tries', () => subscriber.states.length > 2);
    expect(new Set(subscriber.states)).toEqual(new Set([expect.stringMatching(/^stale: JetStream does not answer/)]));
    expect(subscriber.freshness.isLive()).toBe(false);
    await configure(true);
    await own.kill('SIGHUP');
    await jetStreamAnswers(own.url);
    await until('a live subscription', () => subscriber.freshness.isLive());
    expect(subscriber.freshness.revision().epoch).toMatch(/^js:/);
  });

  it('a process that loses JetStream is stale, and resumes in the same epoch once JetStream is back', async () => {
    const { own, configure } = await startChanging(true);
    const subscriber = await listen(own.url);
    expect(subscriber.freshness.isLive()).toBe(true);
    const publishTo = async (userId: string): Promise<void> => {
      const client = await connect({ servers: own.url });
      client.publish('betterauth.user.updated', encode({ userId }));
      await client.flush();
      await client.close();
    };
    await publishTo('u');
    await applied(subscriber, 1);
    const before = subscriber.freshness.revision();
    await configure(false);
    await own.restart();
    await until('the lease to run out', () => !subscriber.freshness.isLive());
    const tries = subscriber.states.length;
    await until('three more tries', () => subscriber.states.length > tries + 2);
    await publishTo('v');
    expect(subscriber.freshness.isLive()).toBe(false);
    expect(subscriber.freshness.revision()).toEqual(before);
    await configure(true);
    await own.restart();
    await until('a live subscription again', () => subscriber.freshness.isLive());
    expect(subscriber.freshness.revision()).toEqual(before);
    await publishTo('v');
    await applied(subscriber, 2);
    expect(subscriber.freshness.isCurrent(before, 'v', null)).toBe(false);
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
    const subscriber = await listen(core.url);
    await until('two tries', () => subscriber.states.length > 1);
    expect(new Set(subscriber.states)).toEqual(new Set(['stale: JetStream system temporarily unavailable']));
    expect(subscriber.freshness.isLive()).toBe(false);
    await client.close();
  });
});
