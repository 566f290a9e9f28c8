/** The names of the warnings that Node gives while something runs. */
import { eventLoopTurn } from '../event-loop.ts';
export const warningsOf = async (run: () => Promise<void>): Promise<readonly string[]> => {
  const names: string[] = [];
  const note = ({ name }: Error): void => {
    names.push(name);
  };
  process.on('warning', note);
  try {
    await run();
    // Node emits a warning in the next turn.
    await eventLoopTurn();
  } finally {
    process.off('warning', note);
  }
  return names;
};
