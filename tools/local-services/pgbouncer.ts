import { chmod, chown, mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../run.ts';
import { publicTemporaryFolder, temporaryFolder } from './folders.ts';
import { freePort } from './ports.ts';
import { type User, unprivilegedUser } from './postgres.ts';
import type { Program } from './programs.ts';
import { createServerProcess } from './server-process.ts';
import { serverProgram } from './server-program.ts';
import { serviceUnavailable } from './unavailable.ts';

/** A PgBouncer in front of one PostgreSQL server. */
export interface Pooler {
  readonly port: number;
  /** The same database as the same user by way of the pooler. */
  through(url: string): string;
  stop(): Promise<void>;
}

export interface PoolerOptions {
  /** Connections to PostgreSQL for each pair of user and database. */
  readonly size: number;
  /** How many prepared statements it keeps for its clients; none by default, as all versions before 1.21. */
  readonly preparedStatements?: number;
}

/**
 * Starts a PgBouncer in transaction mode, from the path or Debian's package.
 * @param urls Of the users that may connect through it, all of one server.
 * @throws ServiceUnavailable
 */
export async function startPgBouncer(urls: readonly string[], options: PoolerOptions): Promise<Pooler> {
  const found = await serverProgram('pgbouncer');
  if (found.program === undefined) throw serviceUnavailable('pgbouncer', found.tried);
  const user = await unprivilegedUser();
  const folder = await poolerFolder(user);
  const port = await freePort();
  await writeShared(folder, 'users.txt', urls.map(userLine).join(''), user);
  const keeps = (await versionOf(found.program)) >= KEEPS_PREPARED;
  if (!keeps && (options.preparedStatements ?? 0) > 0) throw new Error('this PgBouncer keeps no prepared statements');
  const lines = {
    ...settingsFor(folder, port, options.size, user),
    ...(keeps ? { max_prepared_statements: String(options.preparedStatements ?? 0) } : {}),
  };
  const configuration = await writeShared(folder, 'pgbouncer.ini', iniOf(urls, lines), user);
  const server = createServerProcess({
    name: 'pgbouncer',
    command: found.program.command,
    args: [configuration],
    env: { ...process.env, ...found.program.env, LC_ALL: 'C' },
    cwd: folder,
    stopSignal: 'SIGTERM',
    abandonSignal: 'SIGKILL',
    ready: /process up/,
    folder,
  });
  try {
    await server.start();
  } catch (error) {
    await server.stop();
    throw error;
  }
  const through = (url: string): string => Object.assign(new URL(url), { port: String(port) }).href;
  return { port, through, stop: server.stop };
}

/** 1.21, as {@link versionOf} counts. */
const KEEPS_PREPARED = 1_021;

async function versionOf({ command, env }: Program): Promise<number> {
  const { stdout } = await run(command, ['--version'], { env: { ...process.env, ...env } });
  const [, major, minor] = /PgBouncer (\d+)\.(\d+)/.exec(stdout) ?? [];
  return Number(major) * 1_000 + Number(minor);
}

function settingsFor(folder: string, port: number, size: number, user: User | undefined): Record<string, string> {
  return {
    listen_addr: '127.0.0.1',
    listen_port: String(port),
    unix_socket_dir: '',
    auth_type: 'scram-sha-256',
    auth_file: join(folder, 'users.txt'),
    pool_mode: 'transaction',
    default_pool_size: String(size),
    // It refuses to run as root, and changes its user once its program and libraries are loaded.
    ...(user === undefined ? {} : { user: user.name }),
  };
}

function iniOf(urls: readonly string[], settings: Readonly<Record<string, string>>): string {
  const target = new URL(urls[0] ?? '');
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`);
  return `[databases]\n* = host=${target.hostname} port=${target.port}\n[pgbouncer]\n${lines.join('')}`;
}

function userLine(url: string): string {
  const { username, password } = new URL(url);
  return `"${decodeURIComponent(username)}" "${decodeURIComponent(password)}"\n`;
}

async function poolerFolder(user: User | undefined): Promise<string> {
  if (user === undefined) return temporaryFolder('pgbouncer');
  const folder = await mkdtemp(join(await publicTemporaryFolder(), 'assent-pgbouncer-'));
  await chown(folder, user.uid, user.gid);
  return folder;
}

async function writeShared(folder: string, name: string, text: string, user: User | undefined): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text, { mode: 0o600 });
  await chmod(path, 0o600);
  if (user !== undefined) await chown(path, user.uid, user.gid);
  return path;
}
