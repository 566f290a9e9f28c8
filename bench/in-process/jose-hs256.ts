/** jose alone: what an HS256 signature costs on this core, with a key that was imported once. */
import { compactVerify } from 'jose';
import type { CreateSubject } from './subject.ts';

export const createSubject: CreateSubject = async ({ secret, hs256 }) => {
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  const key = await crypto.subtle.importKey('raw', new TextEncoder().encode(secret), algorithm, false, ['verify']);
  return { run: async () => (await compactVerify(hs256, key)).payload.length > 0 };
};
