import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type CallQueue, Shares } from '../../../src/admission/shares.ts';

let time = 0;
const callOf = (shares: Shares<string>, name: string): CallQueue<string> => {
  time += 1;
  const call = { call: { name }, reads: new Set<string>(), movedAt: time };
  shares.add(call, 'its read');
  return call;
};
const NEVER = Number.NEGATIVE_INFINITY;

it('shares have their turns one after the other, whatever the number of their calls', () => {
  const shares = new Shares<string>();
  for (const name of ['a', 'b', 'b', 'b', 'c']) callOf(shares, name);
  const turns = Array.from({ length: 9 }, () => shares.next(NEVER)?.call.name);
  expect(turns).toEqual(['a', 'b', 'c', 'a', 'b', 'c', 'a', 'b', 'c']);
});

it('there is no next call when none waits', () => {
  const shares = new Shares<string>();
  expect(shares.next(NEVER)).toBeUndefined();
  shares.delete(callOf(shares, 'a'), 'its read');
  expect(shares.next(NEVER)).toBeUndefined();
  expect(shares.waitsSince()).toBe(Number.POSITIVE_INFINITY);
});

it('new calls, and calls that have had a turn, have the turns of their share alternately', () => {
  const shares = new Shares<string>();
  const [one, two, fresh] = [callOf(shares, 'a'), callOf(shares, 'a'), callOf(shares, 'a')];
  shares.hadTurn(one);
  shares.hadTurn(two);
  const turns = Array.from({ length: 4 }, () => {
    const next = shares.next(NEVER);
    if (next !== undefined && next !== fresh) shares.hadTurn(next);
    return next;
  });
  expect(turns).toEqual([fresh, one, fresh, two]);
});

it('the oldest new call is next, and the newest one once the oldest has waited for too long', () => {
  const shares = new Shares<string>();
  const [oldest, , newest] = [callOf(shares, 'a'), callOf(shares, 'a'), callOf(shares, 'a')];
  expect(shares.next(oldest?.movedAt ?? 0)).toBe(oldest);
  expect(shares.next((oldest?.movedAt ?? 0) + 1)).toBe(newest);
});

it('the newest and the oldest new call are found after any calls have left', () => {
  const step = fc.oneof(fc.constant('add' as const), fc.nat(20));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const shares = new Shares<string>();
      let calls = [callOf(shares, 'a')];
      for (const one of steps) {
        const leaving = one === 'add' ? undefined : calls[one];
        if (one === 'add') calls.push(callOf(shares, 'a'));
        else if (leaving !== undefined) shares.delete(leaving, 'its read');
        calls = calls.filter((call) => call !== leaving);
        expect(shares.next(NEVER)).toBe(calls[0]);
        expect(shares.next(Number.POSITIVE_INFINITY)).toBe(calls.at(-1));
        expect([...shares.waitingSince(Number.POSITIVE_INFINITY)]).toEqual(calls);
        expect(shares.readsOf('a')).toBe(calls.length);
        expect(shares.waitsSince()).toBe(calls[0]?.movedAt ?? Number.POSITIVE_INFINITY);
      }
    }),
  );
});
