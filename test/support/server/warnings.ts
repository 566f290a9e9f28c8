/** The names of the warnings that Node gives while something runs. */
export const warningsOf = async (run: () => Promise<void>): Promise<readonly string[]> => {
  const names: string[] = [];
  const note = ({ name }: Error): void => {
    names.push(name);
  };
  process.on('warning', note);
  try {
    await run();
    // Node tells of a warning in the next turn.
    await new Promise((resolve) => setImmediate(resolve));
  } finally {
    process.off('warning', note);
  }
  return names;
};
