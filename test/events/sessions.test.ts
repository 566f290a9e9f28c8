/** Moments that two processes, or two sessions of one, would have to meet in: made to, on a real server. */
import { connect, type JetStreamManager, type NatsConnection, nanos, StorageType } from 'nats';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import { listenToCore } from '../../src/events/core-session.ts';
import { createEventApplier } from '../../src/events/event-applier.ts';
import { openStream } from '../../src/events/stream.ts';
import { testNats } from '../support/nats.ts';

const { url, stream, prefix } = await testNats();
let nats: NatsConnection;
let manager: JetStreamManager;
beforeAll(async () => {
  nats = await connect({ servers: url });
  manager = await nats.jetstreamManager();
});
afterAll(() => nats.close());

it('a stream that another process has just made otherwise is taken as it is', async () => {
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
  const { config } = await openStream(late, stream, prefix, 3_600_000);
  expect(config).toMatchObject({ name: stream, storage: 'memory', max_age: nanos(60_000) });
});

it('a session on core NATS that was ended hears nothing more, though its connection lives', async () => {
  const ending = new AbortController();
  const heard: number[] = [];
  const sink = { begin: () => {}, skipTo: () => {}, apply: (seq: number) => void heard.push(seq), heard: () => {} };
  const listening = Promise.withResolvers<void>();
  const observer = { event: () => {}, lag: () => {}, state: () => listening.resolve() };
  const session = listenToCore({
    ...{ url, stream, prefix, windowMs: 60_000, proofIntervalMs: 10, clock: systemClock },
    ...{ sink, observer, connection: nats, signal: ending.signal },
    applier: createEventApplier(prefix, sink, observer, systemClock),
  });
  await listening.promise;
  const publish = async (): Promise<void> => {
    nats.publish(`${prefix}.user.updated`, JSON.stringify({ userId: 'u' }));
    await nats.flush();
  };
  await publish();
  expect(heard).toEqual([1]);
  ending.abort(new Error('the end of the session'));
  await expect(session).rejects.toThrow('the end of the session');
  await publish();
  expect(heard).toEqual([1]);
});
