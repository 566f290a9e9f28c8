/** Arguments of the commands. */
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import { UsageError } from './errors.ts';
import { type CommandName, USAGE, USAGES } from './usage.ts';

export interface Arguments {
  readonly command: CommandName;
  readonly positionals: readonly string[];
  readonly text: (name: string) => string | null;
  readonly flag: (name: string) => boolean;
}

/** A text to print instead of a command. */
export interface Help {
  readonly help: string;
}

const CONNECTION: ParseArgsOptionsConfig = {
  address: { type: 'string' },
  'caller-token-file': { type: 'string' },
  tls: { type: 'boolean' },
  ca: { type: 'string' },
  timeout: { type: 'string' },
};
const SUBJECT: ParseArgsOptionsConfig = {
  user: { type: 'string' },
  'token-file': { type: 'string' },
  organization: { type: 'string' },
  platform: { type: 'boolean' },
  fresh: { type: 'boolean' },
};
const ALL: ParseArgsOptionsConfig = { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } };

const OPTIONS: Readonly<Record<CommandName, ParseArgsOptionsConfig>> = {
  check: { ...ALL, ...CONNECTION, ...SUBJECT, explain: { type: 'boolean' } },
  verify: { ...ALL, ...CONNECTION, 'token-file': { type: 'string' } },
  permissions: { ...ALL, ...CONNECTION, ...SUBJECT },
  policy: ALL,
  ping: { ...ALL, ...CONNECTION },
};

/** @throws {UsageError} with the argument that is wrong. */
export function parseArguments(args: readonly string[]): Arguments | Help {
  const [name = '--help', ...rest] = args;
  if (name === '--help' || name === '-h' || name === 'help') return { help: USAGE };
  if (!isCommand(name)) {
    throw new UsageError(`there is no command "${name}"; commands are ${Object.keys(USAGES).join(', ')}`);
  }
  const { positionals, values } = parse(name, rest);
  if (values['help'] === true) return { help: USAGES[name] };
  return {
    command: name,
    positionals,
    text: (option) => {
      const value = values[option];
      return typeof value === 'string' ? value : null;
    },
    flag: (option) => values[option] === true,
  };
}

function isCommand(name: string): name is CommandName {
  return Object.hasOwn(USAGES, name);
}

function parse(command: CommandName, args: readonly string[]) {
  try {
    const parsed = parseArgs({ args: [...args], allowPositionals: true, options: OPTIONS[command], tokens: true });
    const seen = new Set<string>();
    for (const token of parsed.tokens) {
      if (token.kind !== 'option') continue;
      // The last one would win without a word, for example of two users.
      if (seen.has(token.name)) throw new UsageError(`--${token.name} is there twice`);
      seen.add(token.name);
    }
    if (parsed.values['token-file'] === '-' && parsed.values['caller-token-file'] === '-') {
      throw new UsageError('--token-file and --caller-token-file cannot both be stdin');
    }
    return parsed;
  } catch (error) {
    if (error instanceof UsageError || !(error instanceof Error)) throw error;
    const message = error.message.split('. To specify')[0]?.replaceAll('\n', ' ') ?? '';
    throw new UsageError(`${command}: ${message}; "assent ${command} --help" has the options`);
  }
}
