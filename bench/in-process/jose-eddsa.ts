/** jose alone: the cost of an EdDSA signature on this core. A generated token with the payload of the real one. */
import { CompactSign, compactVerify, decodeProtectedHeader, generateKeyPair } from 'jose';
import type { CreateSubject } from './subject.ts';

export const createSubject: CreateSubject = async ({ edDsa }) => {
  const { privateKey, publicKey } = await generateKeyPair('EdDSA');
  const { kid } = decodeProtectedHeader(edDsa);
  const payload = Buffer.from(edDsa.split('.')[1] ?? '', 'base64url');
  const header = { alg: 'EdDSA', ...(kid === undefined ? {} : { kid }) };
  const token = await new CompactSign(payload).setProtectedHeader(header).sign(privateKey);
  return { run: async () => (await compactVerify(token, publicKey)).payload.length > 0 };
};
