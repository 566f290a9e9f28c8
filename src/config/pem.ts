/**
 * The PEM files of TLS. Read here and not first by the doors: Node takes an empty file for none, and then trusts its own list
 * of public authorities, and passes over certificates that it cannot parse. Pure; says nothing of what is in a file.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';

interface Parsed {
  readonly value: string;
  readonly problems: readonly string[];
}

const CERTIFICATE = '-----BEGIN CERTIFICATE-----';

const parses = (parse: () => unknown): boolean => {
  try {
    parse();
    return true;
  } catch {
    return false;
  }
};

/** Takes a file of one certificate or more, all of which can be parsed. */
export const parseCertificates = (text: string): Parsed => {
  const blocks = text.split(CERTIFICATE).slice(1);
  if (blocks.length === 0) return { value: text, problems: ['names a file without any certificate in PEM.'] };
  const broken = blocks.findIndex((block) => !parses(() => new X509Certificate(CERTIFICATE + block)));
  if (broken === -1) return { value: text, problems: [] };
  return { value: text, problems: [`names a file whose certificate ${broken + 1} cannot be parsed.`] };
};

/** Takes a file with a private key that needs no passphrase. */
export const parsePrivateKey = (text: string): Parsed => ({
  value: text,
  problems: parses(() => createPrivateKey(text)) ? [] : ['names a file without a private key in PEM, unencrypted.'],
});

/** What is wrong with a certificate and a key, each of which can be parsed; null when they serve TLS together. */
export const pairProblem = (cert: string, key: string): string | null => {
  const own = new X509Certificate(cert.slice(cert.indexOf(CERTIFICATE)));
  if (!own.checkPrivateKey(createPrivateKey(key))) {
    return 'do not belong together: the first certificate in the file must be the one of the key, before those of its issuers.';
  }
  try {
    // What else OpenSSL asks for, such as keys that are long enough.
    createSecureContext({ cert, key });
    return null;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'error';
    return `cannot be used for TLS (${code}).`;
  }
};
