/** A queue of asynchronous tasks that gives every owner its turn. It has no timer and does no I/O. */

/** A task that runs, or waits for its turn. */
export interface QueuedTask<T> {
  /** Settles as the task does. It never settles when the task left the queue before it began. */
  readonly done: Promise<T>;
  /** Takes a waiting task out of the queue. A task that runs goes on. */
  leave(): void;
}

export interface FairQueue {
  /**
   * Starts `task` once its turn comes: owners take turns, and the tasks of one owner begin in their order. The task must settle
   * in the end.
   */
  run<T>(owner: object, task: () => Promise<T>): QueuedTask<T>;
}

/** The tasks of one owner. */
interface Owner {
  readonly waiting: Set<() => Promise<unknown>>;
  running: number;
}

/**
 * @param atOnce How many tasks may run at once.
 * @param perOwner How many tasks of one owner may run at once.
 */
export function createFairQueue(atOnce: number, perOwner: number): FairQueue {
  let free = atOnce;
  const owners = new Map<object, Owner>();
  /** The owners with a task that may start, in the order of their turns. */
  const turns = new Set<Owner>();

  const startNext = (): void => {
    for (const owner of turns) {
      if (free === 0) return;
      turns.delete(owner);
      const [task] = owner.waiting;
      if (task === undefined) continue;
      owner.waiting.delete(task);
      owner.running += 1;
      free -= 1;
      // Behind the others, which this loop comes to first.
      takeTurn(owner);
      void task();
    }
  };
  const takeTurn = (owner: Owner): void => {
    if (owner.waiting.size > 0 && owner.running < perOwner) turns.add(owner);
  };
  const settled = (key: object, owner: Owner): void => {
    owner.running -= 1;
    free += 1;
    takeTurn(owner);
    forget(key, owner);
    startNext();
  };
  const forget = (key: object, owner: Owner): void => {
    if (owner.waiting.size === 0 && owner.running === 0) owners.delete(key);
  };

  return {
    run: <T>(key: object, task: () => Promise<T>): QueuedTask<T> => {
      const owner = owners.get(key) ?? { waiting: new Set(), running: 0 };
      owners.set(key, owner);
      const { promise, resolve } = Promise.withResolvers<T>();
      const start = (): Promise<unknown> => {
        const done = task();
        resolve(done);
        const after = (): void => settled(key, owner);
        return done.then(after, after);
      };
      owner.waiting.add(start);
      takeTurn(owner);
      startNext();
      return {
        done: promise,
        leave: () => {
          if (owner.waiting.delete(start)) forget(key, owner);
        },
      };
    },
  };
}
