import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { within } from '../src/within.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const late = (): Error => new Error('too late');
const never = new Promise<never>(() => {});

it('gives what came in time, and leaves nothing behind', async () => {
  const cancel = new AbortController();
  expect(await within(1_000, Promise.resolve(1), late, cancel.signal)).toBe(1);
  await expect(within(1_000, Promise.reject(new Error('its own')), late, cancel.signal)).rejects.toThrow('its own');
  expect(vi.getTimerCount()).toBe(0);
  expect(getEventListeners(cancel.signal, 'abort')).toEqual([]);
});

it('gives up in time, whatever comes later', async () => {
  const { promise, reject } = Promise.withResolvers<never>();
  const bounded = within(1_000, promise, late);
  const given = expect(bounded).rejects.toThrow('too late');
  vi.advanceTimersByTime(1_000);
  await given;
  // Nobody waits for it any more, and it is no unhandled rejection.
  reject(new Error('its own'));
});

it('gives up when it is cancelled, also before it began', async () => {
  const cancel = new AbortController();
  const given = expect(within(1_000, never, late, cancel.signal)).rejects.toThrow('cancelled');
  cancel.abort(new Error('cancelled'));
  await given;
  await expect(within(1_000, never, late, cancel.signal)).rejects.toThrow('cancelled');
  expect(vi.getTimerCount()).toBe(0);
});
