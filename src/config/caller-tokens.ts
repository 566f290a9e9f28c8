/** The file of caller tokens: lines of `name: sha256-hex`. Pure. */
import { createHash } from 'node:crypto';
import type { CallerEntry } from '../callers/entry.ts';

/** A caller and the digest of its token. The token itself is not stored anywhere. */
export interface CallerToken {
  readonly name: string;
  /** SHA-256 of the token, 32 bytes. */
  readonly digest: Buffer;
}

/** The output of the documented command when the variable with the token is not set. */
const DIGEST_OF_EMPTY = createHash('sha256').digest('hex');

/** Parses the text of the file. Empty lines and lines that begin with `#` are skipped. */
export function parseCallerTokens(text: string): {
  readonly value: readonly CallerToken[];
  readonly problems: readonly string[];
} {
  const value: CallerToken[] = [];
  const problems: string[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    const match = /^(?<name>[^:\s]+)\s*:\s*(?<digest>[0-9a-fA-F]{64})$/.exec(trimmed);
    const name = match?.groups?.['name'];
    const digest = match?.groups?.['digest'];
    if (name === undefined || digest === undefined) {
      problems.push(`line ${index + 1} must be "name: sha256-hex" (printf %s "$TOKEN" | sha256sum).`);
    } else if (digest.toLowerCase() === DIGEST_OF_EMPTY) {
      problems.push(`line ${index + 1} has the digest of an empty token: was TOKEN unset when it was made?`);
    } else if (value.some((known) => known.name === name)) problems.push(`line ${index + 1} names "${name}" again.`);
    else value.push({ name, digest: Buffer.from(digest, 'hex') });
  }
  // With an empty file the servers would take calls without authentication, although the operator asked for it.
  if (value.length === 0 && problems.length === 0) problems.push('names a file without any caller.');
  return { value, problems };
}

/** The callers of the file: each has one token without an end, may call every method, and has no limits. */
export function callersOf(tokens: readonly CallerToken[]): readonly CallerEntry[] {
  return tokens.map(({ name, digest }) => ({
    name,
    tokens: [{ digest: digest.toString('hex'), expiresAt: null }],
    certificates: [],
    methods: null,
    rate: null,
    inFlight: null,
  }));
}
