/** The shared settings: variables that the service and a command-line program read. */
import { isSamePath, type Naming } from '../database/naming.ts';
import { type DatabaseUrl, parseDatabaseUrl } from './database-url.ts';
import { parseNaming } from './naming.ts';
import type { Reader } from './reader.ts';
import { parseCertificates, parsePrivateKey } from './tls.ts';

/** The location of Better Auth's tables. */
export interface DatabaseConfig {
  readonly url: string;
  /** The database schemas with the tables, in order; null for the search path of the role. `$user` is the role's own schema. */
  readonly searchPath: readonly string[] | null;
  readonly naming: Naming;
}

/** pg reads these files when it connects. An empty or broken one would fail late, or trust the public authorities. */
const FILES_IN_URL = [
  ['sslrootcert', parseCertificates],
  ['sslcert', parseCertificates],
  ['sslkey', parsePrivateKey],
] as const;

/** Reads the URL of a PostgreSQL database and checks its parameters and the files that it names. */
export function readDatabaseUrl(read: Reader, variable: string): DatabaseUrl | null {
  const text = read.url(variable, ['postgres:', 'postgresql:']);
  if (text === null) return null;
  const database = read.parsed(`${variable}:`, parseDatabaseUrl(text));
  const { searchParams } = new URL(text);
  for (const [parameter, parse] of FILES_IN_URL) {
    const path = searchParams.getAll(parameter).at(-1) ?? '';
    const name = `${variable}: its ${parameter}`;
    const content = path === '' ? null : read.fileAt(name, path);
    if (content !== null) read.parsed(name, parse(content));
  }
  return database;
}

function readSearchPath(read: Reader, database: DatabaseUrl | null): DatabaseConfig['searchPath'] {
  const text = read.text('ASSENT_DB_SCHEMA');
  const inUrl = database?.searchPath ?? null;
  if (text === null) return inUrl;
  const named = text.split(',').map((name) => name.trim());
  if (named.includes('')) read.problem('ASSENT_DB_SCHEMA must be a database schema, or several separated by commas.');
  if (inUrl !== null && !isSamePath(named, inUrl)) {
    read.problem(
      `ASSENT_DB_SCHEMA names ${named.join(',')} and DATABASE_URL names ${inUrl.join(',')}: which of them has Better Auth's tables? Leave one.`,
    );
  }
  return named;
}

export function readDatabase(read: Reader): DatabaseConfig {
  const database = readDatabaseUrl(read, 'DATABASE_URL');
  if (database === null && read.text('DATABASE_URL') === null) {
    read.problem("DATABASE_URL must be set: the PostgreSQL URL of Better Auth's database.");
  }
  const naming = read.parsed('ASSENT_NAMING', parseNaming(read.text('ASSENT_NAMING') ?? 'auto'));
  return { url: database?.url ?? '', searchPath: readSearchPath(read, database), naming };
}

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];

export function readLogLevel(read: Reader): string {
  const level = read.text('LOG_LEVEL') ?? 'info';
  if (!LOG_LEVELS.includes(level)) read.problem(`LOG_LEVEL must be one of ${LOG_LEVELS.join(', ')}.`);
  return level;
}

export function readTtlSeconds(read: Reader): number {
  return read.integer('ASSENT_PERMISSION_TTL_SECONDS', 300, 1, 3600);
}
