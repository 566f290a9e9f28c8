/**
 * The PEM files of TLS, checked before the servers read them. Node takes an empty file for a missing one and then trusts its
 * own list of public authorities, and it skips certificates that it cannot parse. No problem repeats the content of a file.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { Reader } from './reader.ts';

/** The texts of the PEM files; `clientCa` is null when callers need no certificate. */
export interface TlsConfig {
  readonly cert: string;
  readonly key: string;
  readonly clientCa: string | null;
}

/** The paths of the PEM files. */
export type TlsFiles = TlsConfig;

/** The paths of the files that {@link readTls} has read. */
export function readTlsFiles(read: Reader): TlsFiles | null {
  const cert = read.text('ASSENT_TLS_CERT');
  const key = read.text('ASSENT_TLS_KEY');
  return cert === null || key === null ? null : { cert, key, clientCa: read.text('ASSENT_TLS_CLIENT_CA') };
}

/** The problems of texts of all files, each by the name of its setting. */
export function checkTls({ cert, key, clientCa }: TlsConfig): readonly string[] {
  const files = [
    ['ASSENT_TLS_CERT', parseCertificates(cert)],
    ['ASSENT_TLS_KEY', parsePrivateKey(key)],
    ...(clientCa === null ? [] : ([['ASSENT_TLS_CLIENT_CA', parseCertificates(clientCa)]] as const)),
  ] as const;
  const problems = files.flatMap(([name, { problems: found }]) => found.map((problem) => `${name} ${problem}`));
  if (problems.length > 0) return problems;
  const problem = pairProblem(cert, key);
  return problem === null ? [] : [`ASSENT_TLS_CERT and ASSENT_TLS_KEY ${problem}`];
}

/** Reads `ASSENT_TLS_CERT`, `ASSENT_TLS_KEY` and `ASSENT_TLS_CLIENT_CA`. Null without a certificate and a key. */
export function readTls(read: Reader): TlsConfig | null {
  const problemsBefore = read.problems.length;
  const cert = readPem(read, 'ASSENT_TLS_CERT', parseCertificates);
  const key = readPem(read, 'ASSENT_TLS_KEY', parsePrivateKey);
  const clientCa = readPem(read, 'ASSENT_TLS_CLIENT_CA', parseCertificates);
  if (read.has('ASSENT_TLS_CERT') !== read.has('ASSENT_TLS_KEY')) {
    read.problem('ASSENT_TLS_CERT and ASSENT_TLS_KEY must be set together.');
  }
  if (read.has('ASSENT_TLS_CLIENT_CA') && !read.has('ASSENT_TLS_CERT')) {
    read.problem('ASSENT_TLS_CLIENT_CA needs ASSENT_TLS_CERT and ASSENT_TLS_KEY.');
  }
  if (cert === null || key === null) return null;
  if (read.problems.length === problemsBefore) {
    const problem = pairProblem(cert, key);
    if (problem !== null) read.problem(`ASSENT_TLS_CERT and ASSENT_TLS_KEY ${problem}`);
  }
  return { cert, key, clientCa };
}

/** The text of a PEM file and its problems. */
export interface PemFile {
  readonly value: string;
  readonly problems: readonly string[];
}

/** Checks a file of one or more certificates: each of them must be readable. */
export function parseCertificates(text: string): PemFile {
  const blocks = text.split(CERTIFICATE).slice(1);
  if (blocks.length === 0) return { value: text, problems: ['names a file without any certificate in PEM.'] };
  const broken = blocks.findIndex((block) => !parses(() => new X509Certificate(CERTIFICATE + block)));
  if (broken === -1) return { value: text, problems: [] };
  return { value: text, problems: [`names a file whose certificate ${broken + 1} cannot be parsed.`] };
}

/** Checks a file with a private key without a passphrase. */
export function parsePrivateKey(text: string): PemFile {
  return {
    value: text,
    problems: parses(() => createPrivateKey(text)) ? [] : ['names a file without a private key in PEM, unencrypted.'],
  };
}

const CERTIFICATE = '-----BEGIN CERTIFICATE-----';

/** The text of the PEM file that a variable names, checked; null where the variable is not set or the file cannot be read. */
export function readPem(read: Reader, name: string, parse: (text: string) => PemFile): string | null {
  const text = read.file(name);
  return text === null ? null : read.parsed(name, parse(text));
}

function parses(parse: () => unknown): boolean {
  try {
    parse();
    return true;
  } catch {
    return false;
  }
}

/** The problem of a readable certificate with a readable key; null for a pair that serves TLS. */
export function pairProblem(cert: string, key: string): string | null {
  const own = new X509Certificate(cert.slice(cert.indexOf(CERTIFICATE)));
  if (!own.checkPrivateKey(createPrivateKey(key))) {
    return 'do not belong together: the first certificate in the file must be the one of the key, before those of its issuers.';
  }
  try {
    // OpenSSL's other demands, such as the minimal length of a key.
    createSecureContext({ cert, key });
    return null;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'error';
    return `cannot be used for TLS (${code}).`;
  }
}
