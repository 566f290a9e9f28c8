/**
 * The files with which a program authenticates to NATS. They are read each time a connection is made, so that a file that was
 * renewed counts from the next connection on. No error repeats the content of a file.
 */
import { readFile } from 'node:fs/promises';
import { type Authenticator, jwtAuthenticator } from 'nats';

/** Paths of PEM files. A certificate and its key are set together. */
export interface NatsTlsFiles {
  readonly cert: string | null;
  readonly key: string | null;
  /** The authorities of the server's certificate; null for the list of Node. */
  readonly ca: string | null;
}

/** The content of a credentials file: what `nsc generate creds` writes. */
export interface NatsCredentials {
  readonly jwt: string;
  /** The seed of the user's nkey, which signs the server's nonce. It is never sent. */
  readonly seed: string;
}

/** A block between two lines of at least three hyphens: the JWT is the first one, the seed the second. */
const BLOCK = /-{3,}[^\r\n]*-{3,}\s+(?<content>[^\s-][^\s]*)\s+-{3,}[^\r\n]*-{3,}/g;
const SEED = /^SU[A-Z2-7]{56}$/;
const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** Takes a credentials file apart; null for a text that is none. */
export function parseCredentials(text: string): NatsCredentials | null {
  const [jwt = '', seed = ''] = [...text.matchAll(BLOCK)].map(({ groups }) => groups?.['content'] ?? '');
  if (!JWT.test(jwt) || !SEED.test(seed)) return null;
  try {
    // The checksum of the seed.
    jwtAuthenticator(jwt, Buffer.from(seed))('nonce');
    return { jwt, seed };
  } catch {
    return null;
  }
}

/**
 * Reads a credentials file.
 * @throws when it cannot be read or has no JWT with the seed of a user's nkey.
 */
export async function readCredentials(path: string): Promise<Authenticator> {
  const credentials = parseCredentials(await readText('credentials file', path));
  if (credentials === null) {
    throw new Error(
      'the credentials file of NATS has no JWT with the seed of a user: write it by "nsc generate creds"',
    );
  }
  return jwtAuthenticator(credentials.jwt, Buffer.from(credentials.seed));
}

/** The texts of the PEM files, as the client's options. */
export async function readTlsFiles({ cert, key, ca }: NatsTlsFiles): Promise<Readonly<Record<string, string>>> {
  return {
    ...(cert === null ? {} : { cert: await readText('client certificate', cert) }),
    ...(key === null ? {} : { key: await readText('key of the client certificate', key) }),
    ...(ca === null ? {} : { ca: await readText('file of certificate authorities', ca) }),
  };
}

async function readText(what: string, path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'error';
    throw new Error(`the ${what} of NATS cannot be read (${code})`);
  });
  // Node takes an empty text for a missing one, and would trust its own authorities.
  if (text.trim() === '') throw new Error(`the ${what} of NATS is empty`);
  return text;
}
