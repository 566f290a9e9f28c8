/**
 * The file of callers, `ASSENT_CALLERS`: names, credentials, methods and limits. docs/operate/callers.md describes it. Pure.
 * No problem repeats a text of the file: the setting may name another file by mistake, and that one may hold secrets.
 */
import { createHash } from 'node:crypto';
import { readYaml, type YamlNode, type YamlReader } from '@assent/policy-format';
import type { CallerEntry, CallersPlace, TokenEntry } from './entry.ts';
import { API_METHODS, methodPath } from './methods.ts';
import { certificateNameOf, isCallerName, momentOf } from './values.ts';

/** A file of callers that has been parsed: plain data. */
export interface ParsedCallers {
  readonly value: readonly CallerEntry[];
  readonly problems: readonly string[];
}

/** {@link parseCallers} with the input of a thread. */
export function parseCallersFile({ text, place }: CallersInput): ParsedCallers {
  return parseCallers(text, place);
}

/** The input of a thread: plain data. */
export interface CallersInput {
  readonly text: string;
  readonly place: CallersPlace;
}

/**
 * Parses the text of the file.
 * @param place What the service is like that reads the file.
 * @returns The callers; with problems, each by line and column, they are not to be used.
 */
export function parseCallers(text: string, place: CallersPlace): ParsedCallers {
  if (text.length > MAX_LENGTH) return { value: [], problems: [`is longer than ${MAX_LENGTH} characters.`] };
  const read = readYaml(text, false);
  // What is read of a broken document would only add problems that follow from the first.
  const value = read.problems.length > 0 ? [] : new FileReader(read, place).callers();
  const sorted = read.problems.toSorted((one, other) => one.line - other.line || one.column - other.column);
  const problems = sorted
    .slice(0, MAX_PROBLEMS)
    .map(({ line, column, message }) => `line ${line}, column ${column}: ${message}.`);
  if (sorted.length > MAX_PROBLEMS) problems.push(`has ${sorted.length - MAX_PROBLEMS} further problems.`);
  return { value, problems };
}

/** More are no help to an operator: a file of another kind has a problem in each line, and each would be in the log. */
const MAX_PROBLEMS = 50;

/** In UTF-16 units. */
const MAX_LENGTH = 1_048_576;

/** More callers than this are no list that people keep, and each is a label of metrics. */
export const MAX_CALLERS = 1_000;

const MAX_LIMIT = 1_000_000;

/** One call in a thousand seconds. The delay that a refused caller is told has to be a number of 31 bits in every worker. */
const MIN_RATE = 0.001;

/** The output of the documented command when the variable with the token is not set. */
const DIGEST_OF_EMPTY = createHash('sha256').digest('hex');

const KEYS = ['name', 'tokens', 'certificates', 'methods', 'rate', 'inFlight'] as const;
const TOKEN_KEYS = ['sha256', 'expires'] as const;

/** Reads one file, and remembers where each name and credential stood first. */
class FileReader {
  readonly #read: YamlReader;
  readonly #place: CallersPlace;
  readonly #names = new Map<string, string>();
  readonly #credentials = new Map<string, string>();

  constructor(read: YamlReader, place: CallersPlace) {
    this.#read = read;
    this.#place = place;
  }

  callers(): readonly CallerEntry[] {
    const read = this.#read;
    const file = this.#fields(read.root, 'the file', ['callers']);
    if (file === null) return [];
    const { callers } = file;
    if (callers === undefined) {
      read.problem(read.root, 'callers is missing');
      return [];
    }
    const items = this.#items(callers, 'callers');
    if (items.length > MAX_CALLERS) read.problem(callers, `callers has more than ${MAX_CALLERS} entries`);
    return items.slice(0, MAX_CALLERS).flatMap((item, index) => this.#caller(item, `callers[${index}]`) ?? []);
  }

  #caller(node: YamlNode, what: string): CallerEntry | null {
    const fields = this.#fields(node, what, KEYS);
    if (fields === null) return null;
    if (fields.name === undefined) this.#read.problem(node, `${what} must have a name`);
    if (fields.tokens === undefined && fields.certificates === undefined) {
      this.#read.problem(node, `${what} must have tokens or certificates: without either it cannot call`);
    }
    if (fields.certificates !== undefined && !this.#place.hasClientCertificates) {
      this.#read.problem(fields.certificates, `${what}.certificates needs ASSENT_TLS_CLIENT_CA`);
    }
    return {
      name: fields.name === undefined ? '' : this.#name(fields.name, what),
      tokens: this.#each(fields.tokens, `${what}.tokens`, (item, at) => this.#token(item, at)),
      certificates: this.#each(fields.certificates, `${what}.certificates`, (item, at) => this.#certificate(item, at)),
      methods:
        fields.methods === undefined
          ? API_METHODS
          : new Set(this.#each(fields.methods, `${what}.methods`, (item, at) => this.#method(item, at))),
      rate: this.#limit(fields.rate, `${what}.rate`, MIN_RATE, `a number from ${MIN_RATE}`),
      inFlight: this.#inFlight(fields.inFlight, `${what}.inFlight`),
    };
  }

  #name(node: YamlNode, what: string): string {
    const name = this.#text(node, `${what}.name`);
    if (name === null) return '';
    if (!isCallerName(name)) {
      this.#read.problem(
        node,
        `${what}.name must be 1 to 64 letters, digits, dots, underscores and hyphens, the first a letter or a digit`,
      );
    }
    this.#unique(this.#names, name, node, what, 'has the name');
    return name;
  }

  #token(node: YamlNode, what: string): TokenEntry | null {
    const fields = this.#fields(node, what, TOKEN_KEYS);
    if (fields === null) return null;
    const expiresAt = fields.expires === undefined ? null : this.#moment(fields.expires, `${what}.expires`);
    if (fields.sha256 === undefined) {
      this.#read.problem(node, `${what} must have sha256`);
      return null;
    }
    const digest = this.#text(fields.sha256, `${what}.sha256`)?.toLowerCase();
    if (digest === undefined) return null;
    if (!/^[0-9a-f]{64}$/.test(digest)) {
      this.#read.problem(fields.sha256, `${what}.sha256 must be the SHA-256 of a token, 64 hexadecimal digits`);
    } else if (digest === DIGEST_OF_EMPTY) {
      this.#read.problem(
        fields.sha256,
        `${what}.sha256 is the digest of an empty token: was the variable unset when it was made?`,
      );
    } else this.#unique(this.#credentials, digest, fields.sha256, what, 'has the digest');
    return { digest, expiresAt };
  }

  #moment(node: YamlNode, what: string): number | null {
    const moment = momentOf(this.#read.value(node));
    if (moment !== null) return moment;
    this.#read.problem(node, `${what} must be a moment with its offset, as 2027-01-31T00:00:00Z, or a day`);
    return null;
  }

  #certificate(node: YamlNode, what: string): string | null {
    const text = this.#text(node, what);
    if (text === null) return null;
    const name = certificateNameOf(text);
    if (name === null) {
      this.#read.problem(
        node,
        `${what} must be a DNS name or a URI, such as spiffe://example.org/orders, of the certificate's subject alternative names, without wildcards`,
      );
      return null;
    }
    this.#unique(this.#credentials, name, node, what, 'is the same as');
    return name;
  }

  #method(node: YamlNode, what: string): string | null {
    const text = this.#text(node, what);
    if (text === null) return null;
    const path = methodPath(text);
    if (path === null) {
      this.#read.problem(
        node,
        `${what} is not a method: name one of AuthService, as CheckPermission, or another in full, as grpc.reflection.v1.ServerReflection/ServerReflectionInfo`,
      );
    }
    return path;
  }

  #limit(node: YamlNode | undefined, what: string, min: number, kind: string): number | null {
    if (node === undefined) return null;
    const value = this.#read.value(node);
    const isWhole = min < 1 || Number.isInteger(value);
    if (typeof value === 'number' && isWhole && value >= min && value <= MAX_LIMIT) return value;
    this.#read.problem(node, `${what} must be ${kind} to ${MAX_LIMIT}`);
    return null;
  }

  /** Each worker has a whole number of calls as its share, and a share of nothing would refuse every call there. */
  #inFlight(node: YamlNode | undefined, what: string): number | null {
    const { workers } = this.#place;
    const limit = this.#limit(node, what, 1, 'a whole number from 1');
    if (node !== undefined && limit !== null && limit < workers) {
      this.#read.problem(
        node,
        `${what} must be at least ${workers}: each of so many workers (ASSENT_WORKERS) has a share`,
      );
    }
    return limit;
  }

  #unique(known: Map<string, string>, value: string, node: YamlNode, what: string, says: string): void {
    const first = known.get(value);
    if (first === undefined) known.set(value, what);
    else this.#read.problem(node, `${what} ${says} ${says.startsWith('has') ? 'of ' : ''}${first}`);
  }

  /** The values of a mapping by their keys; null for anything else, of which no more is to be said. */
  #fields<Key extends string>(
    node: YamlNode,
    what: string,
    known: readonly Key[],
  ): { readonly [Name in Key]?: YamlNode } | null {
    const fields: { [Name in Key]?: YamlNode } = {};
    const problems = this.#read.problems.length;
    const entries = this.#read.entries(node, what);
    if (entries.length === 0 && this.#read.problems.length > problems) return null;
    for (const { key, keyNode, value } of entries) {
      const name = known.find((one) => one === key);
      if (name === undefined) this.#read.problem(keyNode, `${what} has an unknown key; known are ${known.join(', ')}`);
      else fields[name] = value;
    }
    return fields;
  }

  /** The items of a list that has to have one; no items where there is no list. */
  #each<Item>(
    node: YamlNode | undefined,
    what: string,
    readItem: (item: YamlNode, what: string) => Item | null,
  ): readonly Item[] {
    if (node === undefined) return [];
    return this.#items(node, what).flatMap((item, index) => readItem(item, `${what}[${index}]`) ?? []);
  }

  #items(node: YamlNode, what: string): readonly YamlNode[] {
    const problems = this.#read.problems.length;
    const items = this.#read.items(node, what);
    if (items.length === 0 && this.#read.problems.length === problems) {
      this.#read.problem(node, `${what} must name at least one`);
    }
    return items;
  }

  #text(node: YamlNode, what: string): string | null {
    return this.#read.text(node, what);
  }
}
