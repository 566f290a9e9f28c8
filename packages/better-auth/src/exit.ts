/** A last word of whoever still has something to say when the process ends. */

const last = new Set<() => void>();

const speak = (): void => {
  for (const say of last) say();
};

/**
 * Calls `say` at the end of the process. One listener for all: Node warns of more than ten.
 * @returns What takes it back.
 */
export const sayAtExit = (say: () => void): (() => void) => {
  if (last.size === 0) process.once('exit', speak);
  last.add(say);
  return () => {
    last.delete(say);
    if (last.size === 0) process.off('exit', speak);
  };
};
