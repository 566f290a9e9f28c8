/**
 * The PEM files of TLS. Read here and not first by the doors: Node takes an empty file for none, and then trusts its own list
 * of public authorities, and passes over certificates that it cannot parse. Pure; says nothing of what is in a file.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';

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
