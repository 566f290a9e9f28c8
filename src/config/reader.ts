/** Reads variables of the environment, and collects their problems. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** The address of a server. */
export type Address =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** The environment cannot be used. The message lists every problem. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(
      `The configuration has ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`,
    );
    this.problems = problems;
  }
}

/** The variables that Kubernetes adds for a Service with a name that begins with `assent`. */
const FROM_KUBERNETES = /_(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT|PORT_\d+_(?:TCP|UDP|SCTP)\w*)$/;

export type Environment = Readonly<Record<string, string | undefined>>;

/** Reads variables and collects their problems. An empty variable counts as unset: Compose passes an unset one so. */
export class Reader {
  readonly problems: string[] = [];
  readonly #environment: Environment;
  readonly #read = new Set<string>();

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  problem(text: string): null {
    this.problems.push(text);
    return null;
  }

  text(name: string): string | null {
    this.#read.add(name);
    const value = this.#environment[name]?.trim() ?? '';
    return value === '' ? null : value;
  }

  /** True for a variable that is set. */
  has(name: string): boolean {
    return this.text(name) !== null;
  }

  /** Variables with Assent's prefix that were not read. A misspelt variable would otherwise be ignored silently. */
  unknown(): readonly string[] {
    return Object.keys(this.#environment).filter(
      (name) => name.startsWith('ASSENT_') && !this.#read.has(name) && !FROM_KUBERNETES.test(name),
    );
  }

  url(name: string, protocols: readonly string[]): string | null {
    const value = this.text(name);
    if (value === null) return null;
    for (const part of name === 'NATS_URL' ? value.split(',') : [value]) {
      const protocol = URL.canParse(part.trim()) ? new URL(part.trim()).protocol : '';
      if (!protocols.includes(protocol)) {
        return this.problem(
          `${name} must be a URL that begins with ${protocols.map((known) => `${known}//`).join(' or ')}.`,
        );
      }
    }
    return value;
  }

  integer(name: string, fallback: number, min: number, max: number): number {
    const value = this.text(name);
    if (value === null) return fallback;
    const parsed = z.string().regex(/^\d+$/).transform(Number).pipe(z.number().min(min).max(max)).safeParse(value);
    if (parsed.success) return parsed.data;
    this.problem(`${name} must be a whole number from ${min} to ${max}.`);
    return fallback;
  }

  address(name: string, fallback: string): Address {
    const parsed = parseAddress(this.text(name) ?? fallback);
    if (parsed !== null) return parsed;
    this.problem(`${name} must be HOST:PORT, [IPV6]:PORT or unix:PATH.`);
    return { kind: 'tcp', host: '127.0.0.1', port: 0 };
  }

  /** One of the known values; the first is the default. */
  choice<Known extends string>(name: string, known: readonly [Known, ...Known[]]): Known {
    const value = this.text(name) ?? known[0];
    const found = known.find((each) => each === value);
    if (found === undefined) this.problem(`${name} must be one of ${known.join(', ')}.`);
    return found ?? known[0];
  }

  file(name: string): string | null {
    const path = this.text(name);
    return path === null ? null : this.fileAt(name, path);
  }

  /** @param name The setting that names the file, for the problem. */
  fileAt(name: string, path: string): string | null {
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'error';
      return this.problem(`${name} names a file that cannot be read (${code}).`);
    }
  }

  /** Adds the problems of a parser, and returns its value. */
  parsed<T>(name: string, result: { readonly value: T; readonly problems: readonly string[] }): T {
    for (const problem of result.problems) this.problem(`${name} ${problem}`.trimStart());
    return result.value;
  }
}

function parseAddress(text: string): Address | null {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length).replace(/^\/\/(?=\/)/, '');
    return path === '' ? null : { kind: 'unix', path };
  }
  const match = /^(?:\[(?<v6>[0-9a-fA-F:.]+)\]|(?<host>[^:[\]\s]+)):(?<port>\d{1,5})$/.exec(text);
  const host = match?.groups?.['v6'] ?? match?.groups?.['host'];
  const port = Number(match?.groups?.['port']);
  return host === undefined || port > 65_535 ? null : { kind: 'tcp', host, port };
}
