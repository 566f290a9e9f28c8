/** Where the service is, and how it is called, from options and the environment. */
import { readFileSync } from 'node:fs';
import type { Arguments } from './arguments.ts';
import { UsageError } from './errors.ts';
import { readToken } from './tokens.ts';

export interface Connection {
  readonly address: string;
  /** The token of the caller; null where callers have none. */
  readonly token: string | null;
  /** Certificates in PEM that are trusted, `system` for those of the system, null for cleartext. */
  readonly trusted: Buffer | 'system' | null;
  readonly timeoutMs: number;
}

const DEFAULT_ADDRESS = '127.0.0.1:50051';
const DEFAULT_TIMEOUT_MS = 1_000;
const MAX_TIMEOUT_MS = 60_000;

/** @throws {UsageError} with the option or variable that is wrong. */
export async function readConnection(
  options: Arguments,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Connection> {
  return {
    address: readAddress(options, environment),
    token: await readCallerToken(options, environment),
    trusted: readTrusted(options),
    timeoutMs: readTimeout(options),
  };
}

function readAddress(options: Arguments, environment: Readonly<Record<string, string | undefined>>): string {
  const option = options.text('address');
  const name = option === null ? 'ASSENT_ADDRESS' : '--address';
  const address = option ?? environment['ASSENT_ADDRESS'] ?? DEFAULT_ADDRESS;
  if (/^https?:/i.test(address)) {
    throw new UsageError(`${name} "${address}": a gRPC address has no http://; for TLS there is --tls`);
  }
  const isTarget = /^(?:dns|ipv4|ipv6|unix):\S+$/.test(address);
  const [, port = ''] = /^(?:[\w.-]+|\[[\da-f:.]+\]):(\d+)$/i.exec(address) ?? [];
  if (!isTarget && !(Number(port) >= 1 && Number(port) <= 65_535)) {
    throw new UsageError(`${name} "${address}": an address is HOST:PORT, dns:///HOST:PORT or unix:/PATH`);
  }
  return address;
}

async function readCallerToken(
  options: Arguments,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<string | null> {
  const file = options.text('caller-token-file');
  if (file !== null) return readToken('--caller-token-file', file);
  const token = environment['ASSENT_TOKEN']?.trim() ?? '';
  if (/[^\x21-\x7e]/.test(token)) throw new UsageError('ASSENT_TOKEN: a token is printable ASCII without spaces');
  return token === '' ? null : token;
}

function readTrusted(options: Arguments): Buffer | 'system' | null {
  const file = options.text('ca');
  if (file === null) return options.flag('tls') ? 'system' : null;
  try {
    const text = readFileSync(file);
    if (text.includes('-----BEGIN CERTIFICATE-----')) return text;
  } catch (error) {
    throw new UsageError(
      `--ca ${file}: cannot be read (${error instanceof Error && 'code' in error ? error.code : 'error'})`,
    );
  }
  throw new UsageError(`--ca ${file}: has no certificate in PEM`);
}

function readTimeout(options: Arguments): number {
  const text = options.text('timeout');
  if (text === null) return DEFAULT_TIMEOUT_MS;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < 1 || value > MAX_TIMEOUT_MS) {
    throw new UsageError(`--timeout ${text}: a whole number of milliseconds from 1 to ${MAX_TIMEOUT_MS}`);
  }
  return value;
}
