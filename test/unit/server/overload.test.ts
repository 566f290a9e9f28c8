/** The control of load in simulated time. The service has a tenth of a core; its capacity is 714 calls a second. */
import { expect, it } from 'vitest';
import { Shares } from '../../../src/server/overload/shares.ts';
import { Turns } from '../../../src/server/overload/turns.ts';
import { simulate } from '../../support/server/overloaded-service.ts';

const calm = { times: 0.5, seconds: 3 };
const equal = (count: number): readonly number[] => Array.from({ length: count }, () => 1 / count);

it.each([16, 20, 100])('%i equal connections that ask for 1.5 and 3 times the capacity get most of it', (count) => {
  const [, more, , most] = simulate({ clients: equal(count), controlled: true }, [
    ...[calm, { times: 1.5, seconds: 8 }, { ...calm, seconds: 4 }, { times: 3, seconds: 8 }],
  ]);
  expect(more?.goodput).toBeGreaterThan(0.65);
  expect(most?.goodput).toBeGreaterThan(0.5);
  expect(more?.p99Ms).toBeLessThan(700);
  expect(most?.p99Ms).toBeLessThan(700);
});

it('without the control nothing is answered in time after the first seconds', () => {
  const [, , after] = simulate({ clients: equal(20), controlled: false }, [
    ...[
      { times: 1.5, seconds: 4 },
      { times: 1.5, seconds: 4 },
      { times: 0.5, seconds: 1 },
    ],
  ]);
  expect(after?.goodput).toBeLessThan(0.05);
});

it.each([1, 2, 4, 16, 100])('with %i connections calls are answered again soon after an overload', (count) => {
  const [, , after] = simulate({ clients: equal(count), controlled: true }, [
    ...[calm, { times: 3, seconds: 6 }, { times: 0.5, seconds: 8 }],
  ]);
  for (const second of after?.perSecond.slice(4) ?? []) expect(second).toBeGreaterThan(0.4);
});

it('no call is refused and none is late while the service is asked for less than it can answer', () => {
  const [result] = simulate({ clients: equal(20), controlled: true }, [{ times: 0.9, seconds: 8 }]);
  expect(result?.refused).toBe(0);
  expect(Math.min(...(result?.answered ?? []))).toBeGreaterThan(0.9);
});

it('a stall of the event loop costs no call', () => {
  const [result] = simulate({ clients: equal(20), controlled: true, stallMs: 400 }, [{ times: 0.5, seconds: 6 }]);
  expect(result?.refused).toBe(0);
  expect(result?.goodput).toBeGreaterThan(0.48);
});

it('a connection that alone asks for three times the capacity does not cost the others their answers', () => {
  const others = Array.from({ length: 19 }, () => 0.1 / 19);
  const [result] = simulate({ clients: [0.9, ...others], controlled: true }, [{ times: 3, seconds: 10 }]);
  const answered = result?.answered.slice(1) ?? [];
  expect(answered.reduce((sum, part) => sum + part, 0) / answered.length).toBeGreaterThan(0.6);
});

it('every connection has its turn in a long overload', () => {
  const [result] = simulate({ clients: equal(20), controlled: true }, [{ times: 3, seconds: 60 }]);
  expect(Math.min(...(result?.answered ?? []))).toBeGreaterThan(0.05);
});

it('a call is late when its turn began long after the one before, without idle time between them', () => {
  const turns = new Turns();
  turns.begin(1_000, 900);
  turns.calls = 20;
  turns.end(1_050);
  turns.begin(1_200, 900);
  expect(turns.late).toBe(true);
  expect(turns.age(1_210)).toBe(210);
  turns.end(1_210);
  turns.begin(1_500, 1_150);
  expect(turns.late).toBe(false);
});

it('a call becomes late within a turn', () => {
  const turns = new Turns();
  turns.begin(1_000, 900);
  turns.calls = 20;
  turns.look(1_100);
  expect(turns.late).toBe(false);
  turns.look(1_120);
  expect(turns.late).toBe(true);
});

it('a few calls beside other work are not late, however long it takes', () => {
  const turns = new Turns();
  turns.begin(1_000, 900);
  turns.calls = 15;
  turns.look(2_000);
  expect(turns.late).toBe(false);
  turns.end(2_000);
  turns.begin(2_000, 900);
  expect(turns.late).toBe(false);
});

it('a stall with a few calls says nothing about the capacity', () => {
  const turns = new Turns();
  turns.begin(1_000, 900);
  turns.calls = 4;
  turns.end(1_500);
  expect(turns.capacity).toBeNull();
});

it('a connection that ends while it is held no longer counts as held', () => {
  const shares = new Shares<string>(100);
  const peers = ['a', 'b'].map((name) => shares.add(name, 0));
  for (const peer of peers) for (let call = 0; call < 50; call += 1) shares.count(peer);
  const held = shares.endTurn(
    { now: 1_000, age: 200, late: true, growing: true, arrivalMs: 100, capacity: 600 },
    () => {},
  );
  expect(held.map(({ connection, limit }) => [connection, limit])).toEqual([['b', 0]]);
  expect(shares.held).toBe(1);
  for (const peer of peers) shares.remove(peer);
  expect(shares.held).toBe(0);
});
