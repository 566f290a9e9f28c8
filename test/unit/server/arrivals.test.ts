import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type Arrival, Arrivals } from '../../../src/server/arrivals.ts';

const ARRIVAL_MS = 60_000;
let expired: string[] = [];
let open = new Set<string>();
beforeEach(() => {
  expired = [];
  open = new Set();
  vi.useFakeTimers();
});
afterEach(() => vi.useRealTimers());

const arrival = (name: string): Arrival => {
  open.add(name);
  return {
    previousArrival: null,
    nextArrival: null,
    arrivingSince: null,
    get open() {
      return open.has(name);
    },
    expire: () => expired.push(name),
  };
};

it('a request whose message does not come in time is ended, once', () => {
  const arrivals = new Arrivals(ARRIVAL_MS);
  arrivals.add(arrival('first'));
  vi.advanceTimersByTime(ARRIVAL_MS / 2);
  arrivals.add(arrival('second'));
  vi.advanceTimersByTime(ARRIVAL_MS / 2);
  expect(expired).toEqual([]);
  vi.advanceTimersByTime(ARRIVAL_MS / 30);
  expect(expired).toEqual(['first']);
  vi.advanceTimersByTime(10 * ARRIVAL_MS);
  expect(expired).toEqual(['first', 'second']);
});

it.each([
  ['first', ['second', 'third']],
  ['second', ['first', 'third']],
  ['third', ['first', 'second']],
])('a request whose message has come is ended no more: the %s', (name, others) => {
  const arrivals = new Arrivals(ARRIVAL_MS);
  const all = ['first', 'second', 'third'].map(arrival);
  for (const one of all) arrivals.add(one);
  const index = ['first', 'second', 'third'].indexOf(name);
  for (const one of all.slice(index, index + 1)) {
    arrivals.remove(one);
    arrivals.remove(one);
  }
  vi.advanceTimersByTime(2 * ARRIVAL_MS);
  expect(expired).toEqual(others);
});

it('a request whose caller has left is dropped from the list, and the timer ends with the last request', () => {
  const arrivals = new Arrivals(ARRIVAL_MS);
  const gone = arrival('gone');
  arrivals.add(gone);
  open.delete('gone');
  vi.advanceTimersByTime(ARRIVAL_MS / 30);
  expect(gone.arrivingSince).toBe(null);
  expect(vi.getTimerCount()).toBe(0);
  arrivals.add(arrival('next'));
  expect(vi.getTimerCount()).toBe(1);
});
