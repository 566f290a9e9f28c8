/** The file of caller tokens: `name: sha256-hex` lines. Pure. */
import { createHash } from 'node:crypto';

/** One caller and the digest of its token; the token itself is never stored. */
export interface CallerToken {
  readonly name: string;
  /** SHA-256 of the token, 32 bytes. */
  readonly digest: Buffer;
}

/** What the command in the documentation prints where the variable with the token is not set. */
const NOTHING = createHash('sha256').digest('hex');

/** Parses the file's text. Empty lines and lines that begin with `#` are skipped. */
export const parseCallerTokens = (
  text: string,
): { readonly value: readonly CallerToken[]; readonly problems: readonly string[] } => {
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
    } else if (digest.toLowerCase() === NOTHING) {
      problems.push(`line ${index + 1} has the digest of an empty token: was TOKEN unset when it was made?`);
    } else if (value.some((known) => known.name === name)) problems.push(`line ${index + 1} names "${name}" again.`);
    else value.push({ name, digest: Buffer.from(digest, 'hex') });
  }
  // An empty file would listen to everybody who can reach the port, though the operator asked for authentication.
  if (value.length === 0 && problems.length === 0) problems.push('names a file without any caller.');
  return { value, problems };
};
