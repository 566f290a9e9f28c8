/** The command line of the siege. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

export interface SiegeOptions {
  /** How long each attack lasts, and each part of an overload. */
  readonly seconds: number;
  /** Each scenario is run so often; the figures are the medians. */
  readonly rounds: number;
  /** The names of the scenarios to run; null: all. */
  readonly only: string | null;
  /** Where the figures go as JSON; null: nowhere. */
  readonly json: string | null;
  /** Puts this run into docs/operate/siege.md and docs/operate/siege.svg. */
  readonly writeDocs: boolean;
  /** The deadline of the honest caller's calls, in milliseconds. */
  readonly deadlineMs: number;
  /** Shorter waits and several attacks at a time, for the tests: the times of honest calls then say little. */
  readonly short: boolean;
  /** The service's main file, for a changed copy of it; null: this repository's. */
  readonly service: string | null;
}

/** What `--help` prints. */
export const USAGE = `npm run siege [-- OPTIONS]

  --seconds N     how long each attack lasts, and each part of an overload (3)
  --only NAME     runs the scenario of that name, or those whose names match the regular expression
  --json FILE     writes the figures as JSON
  --rounds N      runs each scenario so often and takes the medians (1)
  --deadline MS   the deadline of the honest caller's calls (1000)
  --service FILE  the main file of a changed copy of the service, to see that an attack then breaks through
  --short         shorter waits around each attack, and three attacks at a time, as in the tests
  --list          prints the names
  --write-docs    puts this run into docs/operate/siege.md and draws docs/operate/siege.svg
`;

/**
 * Reads the command line.
 * @returns `help` or `list` where that is asked for.
 * @throws Error naming the option that cannot be used.
 */
export function parseOptions(args: readonly string[]): SiegeOptions | 'help' | 'list' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: 'string' },
      rounds: { type: 'string' },
      only: { type: 'string' },
      json: { type: 'string' },
      deadline: { type: 'string' },
      service: { type: 'string' },
      short: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      'write-docs': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  if (values.list) return 'list';
  return {
    seconds: positive('seconds', values.seconds, 3),
    rounds: Math.ceil(positive('rounds', values.rounds, 1)),
    only: values.only ?? null,
    json: values.json ?? null,
    writeDocs: values['write-docs'],
    short: values.short,
    deadlineMs: positive('deadline', values.deadline, 1_000),
    service: values.service === undefined ? null : resolve(values.service),
  };
}

/**
 * The names that `only` stands for.
 * @throws Error when there is none.
 */
export function chosen(names: readonly string[], only: string | null): readonly string[] {
  if (only === null) return names;
  if (names.includes(only)) return [only];
  const pattern = new RegExp(only);
  const found = names.filter((name) => pattern.test(name));
  if (found.length === 0) throw new Error(`--only ${only} is none of the scenarios: ${names.join(', ')}.`);
  return found;
}

function positive(name: string, text: string | undefined, fallback: number): number {
  const value = text === undefined ? fallback : Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new Error(`--${name} must be a positive number.`);
  return value;
}
