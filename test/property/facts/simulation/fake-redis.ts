/** A Redis that keeps all its earlier values and restores them when the schedule picks that. */
import type { ValueStore } from '../../../../src/facts/redis-tier.ts';
import type { Step } from './fake-nats.ts';

/** The command timeout of the service's client, in milliseconds. */
const TIMEOUT_MS = 50;

export interface FakeRedis {
  /** The store of one process; `alive` says whether the process is running. */
  store(process: string, alive: () => boolean): ValueStore;
  setAway(away: boolean): void;
  /** Redis does not come back. */
  lose(): void;
  flush(): void;
  /** Each key gets the value of another key. */
  mix(): void;
  evict(index: number): void;
  /** Older values come back: `age` values back for each key. */
  restore(age: number): void;
}

export const createFakeRedis = (step: Step): FakeRedis => {
  const values = new Map<string, string>();
  const history = new Map<string, string[]>();
  let away = false;
  let lost = false;
  return {
    store: (process, alive) => ({
      get: (key) => {
        const { promise, resolve } = Promise.withResolvers<string | null>();
        const timer = setTimeout(() => resolve(null), TIMEOUT_MS);
        const answer = async (): Promise<void> => {
          await step(`${process} asks redis for ${key}`);
          const value = away ? null : (values.get(key) ?? null);
          await step(`${process} is told ${key}`);
          clearTimeout(timer);
          resolve(value);
        };
        void answer();
        return promise;
      },
      set: (key, value) => {
        if (!alive()) return;
        void step(`redis sets ${key} for ${process}`).then(() => {
          if (away) return;
          values.set(key, value);
          history.set(key, [...(history.get(key) ?? []), value]);
        });
      },
      delete: (key) => {
        if (!alive()) return;
        void step(`redis deletes ${key} for ${process}`).then(() => void (away || values.delete(key)));
      },
    }),
    setAway: (value) => {
      away = lost || value;
    },
    lose: () => {
      lost = true;
      away = true;
    },
    flush: () => values.clear(),
    mix: () => {
      const all = [...values];
      for (const [index, [key]] of all.entries()) values.set(key, all[(index + 1) % all.length]?.[1] ?? '');
    },
    evict: (index) => {
      const keys = [...values.keys()];
      const key = keys[index % Math.max(1, keys.length)];
      if (key !== undefined) values.delete(key);
    },
    restore: (age) => {
      for (const [key, past] of history) {
        const value = past.at(-1 - age) ?? past[0];
        if (value !== undefined) values.set(key, value);
      }
    },
  };
};
