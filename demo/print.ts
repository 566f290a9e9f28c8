/** What the demo says: plain lines, coloured only on a terminal that wants it. */
import { styleText } from 'node:util';

type Format = Parameters<typeof styleText>[0];

// styleText itself looks at whether stdout is a terminal, at NO_COLOR and at FORCE_COLOR.
const style = (format: Format, text: string): string => styleText(format, text, { stream: process.stdout });

/** How one step of the tour went. */
export interface StepReport {
  readonly title: string;
  readonly asked: string;
  readonly answered: string;
  readonly took: string;
  /** What a change did to the decision, and how soon; on the steps that the tour is for. */
  readonly flip?: string | undefined;
  /** What did not hold; empty when all of it did. */
  readonly problems: readonly string[];
}

/** Colours what a decision is: green what is allowed, red what is not. */
const colourDecisions = (text: string): string =>
  text
    .replaceAll(/\ballowed\b/g, (word) => style('green', word))
    .replaceAll(/\b(?:denied|UNAUTHENTICATED)\b/g, (word) => style('red', word));

const say = (text = ''): void => void process.stdout.write(`${text}\n`);

/** Milliseconds with one decimal. */
export const milliseconds = (ms: number): string => `${ms.toFixed(1)} ms`;

export const print = {
  say,
  title: (text: string): void => say(style('bold', text)),
  /** What a change did to a decision. */
  flip: (text: string): void => say(`${style('bold', '⇄')} ${colourDecisions(text)}`),
  problem: (text: string): void => say(style('red', text)),
  note: (text: string): void => say(style('dim', text)),

  /** Says what begins, and when it is there, how long it took. */
  during: async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    say(`  starting ${what} …`);
    const started = performance.now();
    const result = await work();
    say(`  ${what} is there after ${((performance.now() - started) / 1000).toFixed(1)} s`);
    return result;
  },

  /** One step; that it held is said once for all of them, and here only where it did not. */
  step: (number: number, { title, asked, answered, took, flip, problems }: StepReport): void => {
    const row = (label: string, text: string): void => say(`   ${style('dim', label.padEnd(9))} ${text}`);
    say();
    say(style('bold', `${String(number).padStart(2)} ${title}`));
    row('asked', asked);
    row('answered', colourDecisions(answered));
    row('took', took);
    if (flip !== undefined) row('⇄', style('bold', colourDecisions(flip)));
    for (const problem of problems) row('held', style('red', `NO: ${problem}`));
  },
};
