import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { withTimeout } from '../../src/with-timeout.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const late = (): Error => new Error('too late');
const never = new Promise<never>(() => {});

it('withTimeout returns the outcome of work that settles in time, and leaves no timer and no listener behind', async () => {
  const cancel = new AbortController();
  expect(await withTimeout(1_000, Promise.resolve(1), late, cancel.signal)).toBe(1);
  await expect(withTimeout(1_000, Promise.reject(new Error('its own')), late, cancel.signal)).rejects.toThrow(
    'its own',
  );
  expect(vi.getTimerCount()).toBe(0);
  expect(getEventListeners(cancel.signal, 'abort')).toEqual([]);
});

it('withTimeout rejects at the timeout, and a later rejection of the work is not an unhandled one', async () => {
  const { promise, reject } = Promise.withResolvers<never>();
  const bounded = withTimeout(1_000, promise, late);
  const given = expect(bounded).rejects.toThrow('too late');
  vi.advanceTimersByTime(1_000);
  await given;
  reject(new Error('its own'));
});

it('withTimeout rejects when its signal is aborted, during the wait or before it', async () => {
  const cancel = new AbortController();
  const given = expect(withTimeout(1_000, never, late, cancel.signal)).rejects.toThrow('cancelled');
  cancel.abort(new Error('cancelled'));
  await given;
  await expect(withTimeout(1_000, never, late, cancel.signal)).rejects.toThrow('cancelled');
  expect(vi.getTimerCount()).toBe(0);
});
