/** What the programs of the demo have in common: how they end. */
import { print } from './print.ts';

/** Runs to the exit code of `run`, and 1 when it fails; closes what it opened and ends the process in any case. */
export const runProgram = async (run: (stack: AsyncDisposableStack) => Promise<number>): Promise<never> => {
  const stack = new AsyncDisposableStack();
  let code = 1;
  try {
    code = await run(stack);
  } catch (error) {
    print.problem(error instanceof Error ? error.message : String(error));
  } finally {
    await stack.disposeAsync();
  }
  process.exit(code);
};
