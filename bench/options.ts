/** The command line of the bench. */
import { parseArgs } from 'node:util';

export interface BenchOptions {
  /** The same table from fewer and shorter rounds. */
  readonly quick: boolean;
  /** Where the figures go as JSON; null: nowhere. */
  readonly json: string | null;
  /** Profiles one row instead of measuring: the first that `only` matches, else the hit in memory. */
  readonly profile: boolean;
  /** Measures what the size of the data costs instead. */
  readonly scale: boolean;
  /** Rows to measure, by name; null: all. */
  readonly only: RegExp | null;
  /** Puts this run into docs/operate/performance.md and docs/operate/performance.svg. */
  readonly writeDocs: boolean;
  readonly rounds: number;
  /** How long each measurement of a round lasts. */
  readonly seconds: number;
}

/** What `--help` prints. */
export const USAGE = `npm run bench [-- OPTIONS]

  --quick          three short rounds instead of five longer ones
  --json FILE      writes the figures as JSON
  --only PATTERN   measures the rows whose name matches the regular expression
  --profile        profiles Assent's hit in memory, or the row of --only, and prints where its time goes
  --scale          reads from a million users, a hundred thousand organizations and three million members, and from a thousand
  --write-docs     puts this run into docs/operate/performance.md and draws docs/operate/performance.svg (a full run does so anyway)
  --rounds N, --seconds N   override the number of rounds and the length of each measurement
`;

const positive = (name: string, text: string | undefined, fallback: number): number => {
  const value = text === undefined ? fallback : Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new Error(`--${name} must be a positive number.`);
  return value;
};

/**
 * Reads the command line.
 * @returns null for `--help`.
 * @throws Error naming the option that cannot be used.
 */
export const parseOptions = (args: readonly string[]): BenchOptions | null => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      profile: { type: 'boolean', default: false },
      scale: { type: 'boolean', default: false },
      only: { type: 'string' },
      'write-docs': { type: 'boolean', default: false },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return null;
  const { quick } = values;
  const only = values.only === undefined ? null : new RegExp(values.only);
  return {
    quick,
    json: values.json ?? null,
    profile: values.profile,
    scale: values.scale,
    only,
    writeDocs: values['write-docs'] || (!quick && only === null && !values.profile),
    rounds: Math.round(positive('rounds', values.rounds, quick ? 3 : 5)),
    seconds: positive('seconds', values.seconds, quick ? 0.8 : 3),
  };
};
