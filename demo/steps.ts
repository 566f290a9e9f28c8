/** The steps of the tour: each is printed with what has to be true of it, and one that fails ends what would build on it. */
import { milliseconds, print } from './print.ts';

/** What a step has to say; `checks` names what has to be true. */
export interface Outcome<T> {
  readonly value: T;
  readonly answered: string;
  readonly took: string;
  /** What a change did to the decision, and how soon. */
  readonly flip?: string;
  readonly checks: Readonly<Record<string, boolean>>;
}

/** A step brought nothing that the steps after it could go on with. */
class TourEnded extends Error {
  override readonly name = 'TourEnded';
}

/** What the work brought, and how long it took. */
export const timed = async <T>(work: () => Promise<T>): Promise<readonly [T, string]> => {
  const started = performance.now();
  const value = await work();
  return [value, milliseconds(performance.now() - started)];
};

/** The number of steps, the titles of the steps that failed, and the flips. */
export const createSteps = () => {
  let steps = 0;
  const failed: string[] = [];
  const flips: string[] = [];
  const step = async <T>(title: string, asked: string, run: () => Promise<Outcome<T>>): Promise<T> => {
    steps += 1;
    try {
      const { value, answered, took, flip, checks } = await run();
      const problems = Object.entries(checks).flatMap(([what, holds]) => (holds ? [] : [what]));
      print.step(steps, { title, asked, answered, took, flip, problems });
      if (problems.length > 0) failed.push(title);
      if (flip !== undefined) flips.push(flip);
      return value;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      print.step(steps, { title, asked, answered: message, took: '-', problems: ['it failed'] });
      failed.push(title);
      throw new TourEnded(title);
    }
  };
  return { step, report: () => ({ steps, failed, flips }) };
};

/** Runs a step; ends its stage when it fails. */
export type Step = ReturnType<typeof createSteps>['step'];

/** What a stage brings; null when a step of it failed. */
export const unlessEnded = async <T>(stage: () => Promise<T>): Promise<T | null> => {
  try {
    return await stage();
  } catch (error) {
    if (error instanceof TourEnded) return null;
    throw error;
  }
};
