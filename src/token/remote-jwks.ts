/** Public keys from a URL: Better Auth's `/api/auth/jwks`, or any issuer's JSON Web Key Set (RFC 7517 section 5). */
import { isJsonObject } from './json.ts';
import type { KeySource, PublishedKey } from './key-source.ts';

const MAX_BYTES = 1_048_576;

/**
 * The keys of a JSON Web Key Set. Whether each can be used is decided when it is imported.
 * @throws Error when the text is not a key set.
 */
export const parseKeySet = (text: string): readonly PublishedKey[] => {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new Error('The answer is not a JSON Web Key Set: it is not JSON.', { cause });
  }
  const keys = isJsonObject(parsed) ? parsed['keys'] : undefined;
  if (!Array.isArray(keys) || !keys.every(isJsonObject)) throw new Error('The answer is not a JSON Web Key Set.');
  return keys.map((jwk) => ({
    kid: typeof jwk['kid'] === 'string' ? jwk['kid'] : '',
    jwk,
    alg: null,
    // A set lists the keys that are valid now: Better Auth leaves a key out when its grace is over.
    expiresAt: null,
  }));
};

const readLimited = async (response: Response, maxBytes: number): Promise<string> => {
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Counted as it arrives and after decompression: a length in a header is only what the sender says.
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > maxBytes) throw new Error(`The key set is larger than ${maxBytes} bytes.`);
    chunks.push(chunk);
  }
  return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
};

/**
 * Reads a key set over HTTP. The time limit is the caller's signal, which bounds the body too.
 * @param url http or https, without a user or password.
 */
export const remoteKeySource = (url: URL, { maxBytes = MAX_BYTES }: { maxBytes?: number } = {}): KeySource => {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new Error('A key set URL is http or https.');
  if (url.username !== '' || url.password !== '') throw new Error('A key set URL has no user or password.');
  return {
    fetchKeys: async (signal) => {
      // A redirect would let whoever can answer for one path of the issuer choose another host to trust.
      const response = await fetch(url, { signal, redirect: 'manual', headers: { accept: 'application/json' } });
      if (response.status !== 200) {
        await response.body?.cancel();
        throw new Error(`The key set URL answered with status ${response.status}.`);
      }
      return parseKeySet(await readLimited(response, maxBytes));
    },
  };
};
