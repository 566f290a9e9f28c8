/** What messages that nobody can read cost, with time in the test's hands. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createEventApplier, type EventApplier } from '../../src/events/event-applier.ts';
import { createTestClock } from '../cache/harness.ts';

let clock: ReturnType<typeof createTestClock>;
let applied: string[];
let applier: EventApplier;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  clock = createTestClock();
  applied = [];
  const sink = {
    begin: () => {},
    skipTo: () => {},
    apply: (seq: number, change: { readonly kind: string } | null) => void applied.push(`${seq} ${change?.kind}`),
    heard: () => {},
  };
  applier = createEventApplier('p', sink, { event: () => {}, lag: () => {}, state: () => {} }, clock);
});
afterEach(() => void vi.useRealTimers());

const pass = (ms: number): void => {
  clock.advance(ms);
  vi.advanceTimersByTime(ms);
};
const malformed = (seq: number): void => applier.apply(seq, 'p.user.updated', Buffer.from('?'));

it('makes everything stale at once, then once a second however many there are, and never one too few', () => {
  malformed(1);
  expect(applied.splice(0)).toEqual(['1 undefined', '1 everything']);
  for (const seq of [2, 3, 4]) malformed(seq);
  pass(999);
  expect(applied.splice(0)).toEqual(['2 undefined', '3 undefined', '4 undefined']);
  pass(1);
  expect(applied.splice(0)).toEqual(['4 everything']);
  pass(10_000);
  expect(applied.splice(0)).toEqual([]);
  malformed(5);
  expect(applied.splice(0)).toEqual(['5 undefined', '5 everything']);
});

it('does what is due before the session ends, and not once more', () => {
  malformed(1);
  malformed(2);
  applied.length = 0;
  applier.flush();
  expect(applied.splice(0)).toEqual(['2 everything']);
  applier.flush();
  pass(10_000);
  expect(applied).toEqual([]);
});
