/** Moments that two processes, or two sessions of one, would have to meet in: made to, on a real server. */
import { openStream } from '@assent/event-contract';
import {
  connect,
  type JetStreamManager,
  type Msg,
  type NatsConnection,
  type NatsError,
  nanos,
  StorageType,
} from 'nats';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../../src/clock.ts';
import type { SessionOptions } from '../../../src/invalidation/apply-event.ts';
import { createApply } from '../../../src/invalidation/apply-event.ts';
import { followCore } from '../../../src/invalidation/core-subscription.ts';
import type { InvalidationSink } from '../../../src/invalidation/sink.ts';
import { createStreamSubscription, followStream } from '../../../src/invalidation/stream-session.ts';
import { createTestClock } from '../../support/facts/harness.ts';
import { testNats } from '../../support/nats.ts';
import { until } from '../../support/until.ts';

const { url, stream, prefix } = await testNats();
let nats: NatsConnection;
let manager: JetStreamManager;
beforeAll(async () => {
  nats = await connect({ servers: url });
  manager = await nats.jetstreamManager();
});
afterAll(() => nats.close());

it('a stream that another process has just created with other settings is used as it is', async () => {
  const streams: JetStreamManager['streams'] = Object.create(manager.streams, {
    info: {
      value: async (name: string) => {
        const found = manager.streams.info(name);
        await found.catch(() =>
          manager.streams.add({ name, subjects: [`${prefix}.>`], storage: StorageType.Memory, max_age: nanos(60_000) }),
        );
        return found;
      },
    },
  });
  const late: JetStreamManager = Object.create(manager, { streams: { value: streams } });
  const { config } = await openStream(late, {
    ...{ stream, prefix, domain: null, localDomain: null, maxAgeMs: 3_600_000 },
  });
  expect(config).toMatchObject({ name: stream, storage: 'memory', max_age: nanos(60_000) });
});

/** The options of a session, and a record of its calls. */
const open = (connection: NatsConnection, clock: Clock = systemClock) => {
  const ending = new AbortController();
  const applied: number[] = [];
  const renewals: number[] = [];
  const skipped: number[] = [];
  const lags: (number | null)[] = [];
  const listening = Promise.withResolvers<void>();
  const sink: InvalidationSink = {
    begin: () => {},
    skipTo: (seq) => void skipped.push(seq),
    apply: (seq) => void applied.push(seq),
    renewLease: (at) => void renewals.push(at),
  };
  const observer = {
    event: () => {},
    lag: (messages: number | null) => void lags.push(messages),
    state: () => listening.resolve(),
  };
  const options: SessionOptions = {
    ...{ url, stream, prefix, mode: 'stream', domain: null },
    ...{ windowMs: 60_000, renewalIntervalMs: 10, clock, sink, observer, connection },
    apply: createApply(prefix, sink, observer),
    signal: ending.signal,
  };
  return {
    options,
    applied,
    renewals,
    skipped,
    lags,
    listening: listening.promise,
    end: () => ending.abort(new Error('ended')),
  };
};
const publish = async (): Promise<void> => {
  nats.publish(`${prefix}.user.updated`, JSON.stringify({ userId: 'u' }));
  await nats.flush();
};

it.each([
  ['core NATS', followCore],
  ['the stream', (options: SessionOptions) => followStream(options, createStreamSubscription())],
])('an ended session on %s applies nothing more, although its connection is open', async (_, listen) => {
  const { options, applied, listening, end } = open(nats);
  const session = listen(options);
  session.catch(() => {});
  await listening;
  await publish();
  await until('the event', () => applied.length > 0);
  const before = applied.length;
  end();
  await expect(session).rejects.toThrow('ended');
  await publish();
  await (await nats.jetstreamManager()).streams.info(stream);
  await nats.flush();
  expect(applied).toHaveLength(before);
});

it('a lease on core NATS counts from the ping, not from the pong', async () => {
  const clock = createTestClock();
  const slow: NatsConnection = Object.create(nats, {
    flush: {
      value: async () => {
        clock.advance(500);
        await nats.flush();
      },
    },
  });
  const { options, renewals, listening, end } = open(slow, clock);
  const session = followCore(options);
  session.catch(() => {});
  await listening;
  const asked = clock.now();
  await until('a lease', () => renewals.length > 0);
  end();
  await expect(session).rejects.toThrow('ended');
  // The first question comes at once; its answer took half a second.
  expect(renewals[0]).toBe(asked - 500);
});

it('messages that arrive after they were skipped as gone are dropped, so that numbers only grow', async () => {
  const held: (() => void)[] = [];
  let holding = false;
  const slow: NatsConnection = Object.create(nats, {
    subscribe: {
      value: (subject: string, { callback }: { callback: (error: NatsError | null, message: Msg) => void }) =>
        nats.subscribe(subject, {
          callback: (error, message) => {
            if (holding) held.push(() => callback(error, message));
            else callback(error, message);
          },
        }),
    },
  });
  const { options, applied, renewals, skipped, lags, listening, end } = open(slow, createTestClock());
  const session = followStream(options, createStreamSubscription());
  session.catch(() => {});
  await listening;
  await until('a lease', () => renewals.length > 0);
  applied.length = 0;
  holding = true;
  await publish();
  await until('it has been sent', () => held.length > 0);
  const { last_seq: gone } = (await manager.streams.info(stream)).state;
  await until('it is waited for', () => lags.at(-1) === 1);
  const before = renewals.length;
  await manager.streams.purge(stream);
  await until('it is given up', () => skipped.includes(gone));
  await until('a lease again', () => renewals.length > before);
  holding = false;
  for (const late of held.splice(0)) late();
  expect(applied).toEqual([]);
  await publish();
  await until('the next one', () => applied.length > 0);
  expect(applied).toEqual([gone + 1]);
  end();
  await expect(session).rejects.toThrow('ended');
});
