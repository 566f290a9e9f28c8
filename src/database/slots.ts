/** At most so many works at once, the others in line. Pure, but for promises. */

/** A work that runs, or waits for its turn. */
export interface Turn<T> {
  /** Settles as the work does; never when the line was left before it began. */
  readonly done: Promise<T>;
  /** Leaves the line. A work that has begun goes on, and holds its slot until it has settled. */
  leave(): void;
}

export interface Slots {
  /** Begins `work` at once when a slot is free, else when those before it have had theirs. It must settle in the end. */
  run<T>(work: () => Promise<T>): Turn<T>;
  /** How many works have not begun. */
  waiting(): number;
}

const nothing = (): void => {};

/** @param size Works at once, at most. */
export const createSlots = (size: number): Slots => {
  let free = size;
  // In the order of arrival, and left from anywhere.
  const line = new Set<() => void>();

  // A slot goes from hand to hand while somebody waits, so that one who comes later finds none free.
  const release = (): void => {
    const [next] = line;
    if (next === undefined) {
      free += 1;
      return;
    }
    line.delete(next);
    next();
  };
  const begin = <T>(work: () => Promise<T>): Promise<T> => {
    const done = work();
    done.then(release, release);
    return done;
  };

  return {
    run: <T>(work: () => Promise<T>): Turn<T> => {
      if (free > 0) {
        free -= 1;
        return { done: begin(work), leave: nothing };
      }
      const { promise, resolve } = Promise.withResolvers<T>();
      const next = (): void => resolve(begin(work));
      line.add(next);
      return {
        done: promise,
        leave: () => {
          line.delete(next);
        },
      };
    },
    waiting: () => line.size,
  };
};
