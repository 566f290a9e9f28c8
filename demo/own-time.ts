/** The time that Assent itself takes for calls, by its own metrics: what is left of a caller's time is the way there and back. */
import { milliseconds } from './print.ts';

/** Does what makes calls of a method, and says how long Assent took for each of them, on average. */
export type OwnTime = <T>(method: string, work: () => Promise<T>) => Promise<readonly [T, string]>;

/** @param httpUrl Of the HTTP server of the one process that answers the calls. */
export function createOwnTime(httpUrl: string): OwnTime {
  return async (method, work) => {
    const before = await totalsOf(httpUrl, method);
    const value = await work();
    const after = await totalsOf(httpUrl, method);
    const calls = after.count - before.count;
    if (calls === 0) return [value, ''];
    const each = milliseconds(((after.sum - before.sum) / calls) * 1_000);
    return [value, `; Assent itself ${each}${calls > 1 ? ' on average' : ''}`];
  };
}

/** Calls of a method so far, and the seconds that they took together. */
async function totalsOf(httpUrl: string, method: string): Promise<{ readonly count: number; readonly sum: number }> {
  const text = await (await fetch(`${httpUrl}/metrics`)).text();
  const total = (name: string): number =>
    Number(
      new RegExp(`^assent_request_duration_seconds_${name}\\{method="${method}"\\} (\\S+)$`, 'm').exec(text)?.[1] ?? 0,
    );
  return { count: total('count'), sum: total('sum') };
}
