/** Admission of reads to PostgreSQL: the line with its timer, and the reads that run. */
import type { Clock } from '../clock.ts';
import type { Demand } from './demand.ts';
import { Line, type LineEffect, type LineOptions, type ReadEnd, type RefusalReason, type WaitingRead } from './line.ts';

export interface AdmissionOptions extends LineOptions {
  readonly clock: Clock;
  /** Counts a refusal, and makes the error that the read rejects with. */
  readonly refuse: (reason: RefusalReason) => Error;
}

/** A read that has begun. */
export interface Running<T> {
  readonly result: Promise<T>;
  /** Resolves when the connection is free again, which may be later than the result. It never rejects. */
  readonly ended: Promise<ReadEnd>;
}

export interface Admission {
  /**
   * Begins a read when its turn comes.
   * @throws The error of a refusal; the reason of the demand's signal when no call wants the read before it begins; the error
   *   of the read.
   */
  run<T>(demand: Demand, begin: () => Running<T>): Promise<T>;
  /** How many reads wait. */
  waiting(): number;
}

/** How often waiting reads are looked at, in milliseconds. A refusal may come so much late. */
const SWEEP_MS = 25;

/** Creates the admission; it has a timer while reads wait. */
export function createAdmission(options: AdmissionOptions): Admission {
  const { clock, refuse } = options;
  const line = new Line<Task>(options);
  let sweeping: NodeJS.Timeout | null = null;

  return {
    run: async <T>(demand: Demand, begin: () => Running<T>): Promise<T> => {
      const { signal, callers } = demand;
      signal.throwIfAborted();
      const { promise, resolve, reject } = Promise.withResolvers<T>();
      const left = (): void => {
        line.leave(read);
        reject(signal.reason);
      };
      const settled = (): void => {
        demand.watch(null);
        signal.removeEventListener('abort', left);
      };
      const task: Task = {
        begin: () => {
          settled();
          const { result, ended } = begin();
          result.then(resolve, reject);
          return ended;
        },
        refuse: (reason) => {
          settled();
          reject(refuse(reason));
        },
      };
      const { read, effects } = line.enter(task, callers, clock.monotonic());
      signal.addEventListener('abort', left, { once: true });
      demand.watch({
        joined: (caller) => line.join(read, caller, clock.monotonic()),
        left: (caller) => line.part(read, caller),
      });
      perform(effects);
      return promise;
    },
    waiting: () => line.waiting,
  };

  function perform(effects: readonly LineEffect<Task>[]): void {
    for (const effect of effects) {
      if (effect.kind === 'begin') begin(effect.read);
      else effect.read.task.refuse(effect.reason);
    }
    // After a look at the sockets: the loop may be late, and answers of PostgreSQL that came meanwhile count first.
    if (line.waiting > 0) sweeping ??= setInterval(() => setImmediate(sweep), SWEEP_MS);
    else stopSweeping();
  }

  function begin(read: WaitingRead<Task>): void {
    void read.task.begin().then((end) => perform(line.end(end, clock.monotonic())));
  }

  function sweep(): void {
    perform(line.sweep(clock.monotonic()));
  }

  function stopSweeping(): void {
    if (sweeping !== null) clearInterval(sweeping);
    sweeping = null;
  }
}

interface Task {
  /** @returns Resolves when the connection is free again. */
  begin(): Promise<ReadEnd>;
  refuse(reason: RefusalReason): void;
}
