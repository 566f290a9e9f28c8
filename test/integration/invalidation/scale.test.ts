/** Many events and bad ones, through a real JetStream. `ASSENT_EVENTS_SECONDS=60` floods at 10,000 a second for a minute. */
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { connect, type NatsConnection } from 'nats';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { createFreshnessTracker, type FreshnessTracker } from '../../../src/facts/freshness.ts';
import { createListener, type Listener } from '../../../src/invalidation/listener.ts';
import { LIMITS } from '../../../src/limits.ts';
import { testNats } from '../../support/nats.ts';
import { until } from '../../support/until.ts';

const SECONDS = Number(process.env['ASSENT_EVENTS_SECONDS'] ?? 2);
const RATE = 10_000;
/** As src/app.ts has it by default. */
const REMEMBER_MS = 300_000 + LIMITS.marginMs;
const MAX_REMEMBERED: number = LIMITS.rememberedChanges;
const KINDS = 3;
const BURST = 1_000;

const { url, stream, prefix } = await testNats();
let nats: NatsConnection;
const listeners: Listener[] = [];
beforeAll(async () => {
  nats = await connect({ servers: url });
});
afterEach(async () => {
  await Promise.all(listeners.splice(0).map((listener) => listener.stop()));
});
afterAll(() => nats.close());

interface Subscriber {
  readonly freshness: FreshnessTracker;
  readonly outcomes: Record<'applied' | 'malformed' | 'unknown', number>;
  readonly lag: { last: number; most: number };
  /** The reasons for which it became stale. */
  readonly staleBy: string[];
}
const listen = async ({ maxRemembered = MAX_REMEMBERED, renewalIntervalMs = 500 } = {}): Promise<Subscriber> => {
  const freshness = createFreshnessTracker({
    clock: systemClock,
    leaseMs: 2_000,
    rememberMs: REMEMBER_MS,
    maxRemembered,
  });
  const outcomes = { applied: 0, malformed: 0, unknown: 0 };
  const lag = { last: -1, most: 0 };
  const staleBy: string[] = [];
  const listener = createListener({
    url,
    stream,
    prefix,
    mode: 'stream',
    domain: null,
    windowMs: REMEMBER_MS,
    renewalIntervalMs,
    sink: freshness,
    clock: systemClock,
    observer: {
      event: (outcome) => {
        outcomes[outcome] += 1;
      },
      lag: (messages) => {
        if (messages === null) return;
        lag.last = messages;
        lag.most = Math.max(lag.most, messages);
      },
      state: (state, detail) => {
        if (state === 'stale') staleBy.push(detail);
      },
    },
  });
  listeners.push(listener);
  await listener.readyWithin(5_000);
  return { freshness, outcomes, lag, staleBy };
};
const publish = async (name: string, payload: unknown): Promise<number> =>
  (
    await nats
      .jetstream()
      .publish(`${prefix}.${name}`, payload instanceof Uint8Array ? payload : Buffer.from(JSON.stringify(payload)))
  ).seq;
const applied = (subscriber: Subscriber, seq: number) =>
  until(`the revision ${seq}`, () => subscriber.freshness.revision().seq >= seq, 60_000);

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');
const liveMegabytes = (): number => {
  collect();
  return process.memoryUsage().heapUsed / 2 ** 20;
};

interface Subject {
  readonly name: string;
  readonly userId: string;
  readonly organizationId: string;
}
const subjectOf = (number: number): Subject => {
  const name = ['user.updated', 'organization.updated', 'member.role_changed'][number % KINDS] ?? '';
  return { name, userId: `u${number}`, organizationId: `o${number}` };
};

describe('events at scale', () => {
  const total = SECONDS * RATE;
  // Each subject changes twice.
  const distinct = total / 2;

  it(
    `${total} events in a flood and ${BURST} about one user are all applied, in bounded memory`,
    async () => {
      const [subscriber, small] = [await listen(), await listen({ maxRemembered: 1_000 })];
      const before = subscriber.freshness.revision();
      const heapBefore = liveMegabytes();
      const started = performance.now();
      const perTick = RATE / 20;
      for (let index = 0; index < total; index += 1) {
        const { name, ...ids } = subjectOf(index % distinct);
        // One acknowledgement a tick: what the server took before it is in the stream.
        if ((index + 1) % perTick !== 0) nats.publish(`${prefix}.${name}`, Buffer.from(JSON.stringify(ids)));
        else {
          await publish(name, ids);
          await delay(Math.max(0, started + ((index + 1) / RATE) * 1_000 - performance.now()));
        }
      }
      const publishedMs = performance.now() - started;
      const flood = before.seq + total;
      const burst = Array.from({ length: BURST }, () => publish('user.updated', { userId: 'burst' }));
      const last = Math.max(...(await Promise.all(burst)));
      expect(last).toBe(flood + BURST);
      await Promise.all([applied(subscriber, last), applied(small, last)]);
      const appliedMs = performance.now() - started;
      const heap = liveMegabytes() - heapBefore;

      const now = subscriber.freshness.revision();
      expect(now).toEqual({ epoch: before.epoch, seq: last });
      const stale: number[] = [];
      for (let number = 0; number < distinct; number += 1) {
        const { userId, organizationId } = subjectOf(number);
        const change = flood - distinct + number + 1;
        for (const { freshness } of [subscriber, small]) {
          if (freshness.isCurrent({ ...now, seq: change - 1 }, userId, organizationId)) stale.push(number);
          if (!freshness.isCurrent(now, userId, organizationId)) stale.push(number);
        }
      }
      expect(stale).toEqual([]);
      expect(subscriber.freshness.isCurrent({ ...now, seq: last - 1 }, 'burst', null)).toBe(false);
      expect(subscriber.freshness.isCurrent(now, 'burst', null)).toBe(true);

      // A change that is forgotten for lack of room raises the low-water mark for all, and no further than necessary.
      const kept = 1_000 * KINDS;
      expect(small.freshness.isCurrent({ ...now, seq: flood - kept - KINDS }, 'stranger', 'elsewhere')).toBe(false);
      expect(small.freshness.isCurrent({ ...now, seq: flood - kept + KINDS }, 'stranger', 'elsewhere')).toBe(true);
      expect(subscriber.outcomes).toEqual({ applied: total + BURST, malformed: 0, unknown: 0 });
      await until('no lag', () => subscriber.lag.last === 0);
      expect(subscriber.freshness.isLive()).toBe(true);
      expect(heap).toBeLessThan(32 + (Math.min(distinct, KINDS * MAX_REMEMBERED) * 300) / 2 ** 20);
      if (process.env['ASSENT_EVENTS_SECONDS'] !== undefined) {
        const rate = Math.round(total / (publishedMs / 1_000));
        const line = `${last} events, ${rate}/s published, all applied after ${(appliedMs / 1_000).toFixed(1)} s`;
        process.stdout.write(`${line}, at most ${subscriber.lag.most} behind, live heap +${heap.toFixed(1)} MB\n`);
      }
    },
    SECONDS * 3_000 + 30_000,
  );
});

describe('lease renewals', () => {
  it('lease renewals go on while events overtake the answers of liveness checks', async () => {
    // Asked for so often that some answer was put together just before an event that comes first.
    const subscriber = await listen({ renewalIntervalMs: 1 });
    let last = 0;
    for (let number = 0; number < 2_000; number += 1)
      last = await publish('user.updated', { userId: `u${number % 9}` });
    await applied(subscriber, last);
    expect(subscriber.staleBy).toEqual([]);
    expect(subscriber.freshness.isLive()).toBe(true);
  });
});

describe('bad events', () => {
  // A malformed event in the history of a subscriber would put off the resync that the test looks for.
  beforeEach(async () => {
    await (await nats.jetstreamManager()).streams.purge(stream);
  });
  const long = 'x'.repeat(513);
  it.each([
    ['not JSON', 'user.updated', Buffer.from('{"userId":'), 'malformed'],
    ['empty', 'member.removed', new Uint8Array(), 'malformed'],
    ['no UTF-8', 'user.updated', Uint8Array.of(0x7b, 0xff, 0xfe), 'malformed'],
    ['an id of 513 characters', 'user.updated', { userId: long }, 'malformed'],
    ['a megabyte that is no event', 'user.updated', Buffer.alloc(1_000_000, '['), 'malformed'],
    ['a megabyte around an id', 'user.updated', { userId: 'u', more: 'x'.repeat(1_000_000) }, 'applied'],
    ['ids that do not exist', 'member.removed', { userId: 'nobody', organizationId: 'nowhere' }, 'applied'],
    ['another subject', 'user.invented', { userId: 'u' }, 'unknown'],
    ['a megabyte on another subject', 'a.b.c', Buffer.alloc(1_000_000), 'unknown'],
  ] as const)(
    'an unusual event is counted, and the next good event is applied: %s',
    async (_, name, payload, outcome) => {
      const subscriber = await listen();
      const seq = await publish(name, payload);
      await applied(subscriber, seq);
      expect(subscriber.outcomes).toEqual({ applied: 0, malformed: 0, unknown: 0, [outcome]: 1 });
      const before = { ...subscriber.freshness.revision(), seq: seq - 1 };
      expect(subscriber.freshness.isCurrent(before, 'stranger', 'elsewhere')).toBe(outcome !== 'malformed');
      const good = await publish('member.removed', { userId: 'good', organizationId: 'o' });
      await applied(subscriber, good);
      expect(subscriber.freshness.isCurrent({ ...before, seq: good - 1 }, 'good', 'o')).toBe(false);
      expect(subscriber.freshness.isCurrent({ ...before, seq: good }, 'good', 'o')).toBe(true);
    },
  );
});
