/** A counting semaphore for promises, whose waiting tasks can leave the queue. It has no timer and does no I/O. */

/** A task that runs, or waits for a permit. */
export interface QueuedTask<T> {
  /** Settles as the task does. It never settles when the task left the queue before it began. */
  readonly done: Promise<T>;
  /** Takes a waiting task out of the queue. A task that runs goes on, and keeps its permit until it settles. */
  leave(): void;
}

export interface Semaphore {
  /** Starts `task` at once if a permit is free, else after all earlier tasks got theirs. The task must settle in the end. */
  run<T>(task: () => Promise<T>): QueuedTask<T>;
  /** How many tasks wait for a permit. */
  waiting(): number;
}

/** @param permits How many tasks may run at once. */
export function createSemaphore(permits: number): Semaphore {
  let free = permits;
  // A set keeps the order of arrival, and any task can be deleted from it.
  const queue = new Set<() => void>();

  // The permit goes to the next waiting task directly, so that a task that arrives in between cannot take it.
  const release = (): void => {
    const [next] = queue;
    if (next === undefined) {
      free += 1;
      return;
    }
    queue.delete(next);
    next();
  };
  const start = <T>(task: () => Promise<T>): Promise<T> => {
    const done = task();
    done.then(release, release);
    return done;
  };

  return {
    run: <T>(task: () => Promise<T>): QueuedTask<T> => {
      if (free > 0) {
        free -= 1;
        return { done: start(task), leave: () => {} };
      }
      const { promise, resolve } = Promise.withResolvers<T>();
      const next = (): void => resolve(start(task));
      queue.add(next);
      return {
        done: promise,
        leave: () => {
          queue.delete(next);
        },
      };
    },
    waiting: () => queue.size,
  };
}
