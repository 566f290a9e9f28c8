import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../run.ts';
import { publicTemporaryFolder, temporaryFolder } from './folders.ts';
import { freePort } from './ports.ts';
import { type PostgresBinaries, postgresBinaries } from './postgres-binaries.ts';
import { createServerProcess, type ServerProcess } from './server-process.ts';
import { ServiceUnavailable } from './unavailable.ts';

/** How a PostgreSQL server is set up. */
export interface PostgresOptions {
  /** The port of 127.0.0.1; a free one by default. */
  port?: number;
  /** Server settings, on top of those for speed; for example `{ max_connections: '20' }`. */
  settings?: Readonly<Record<string, string>>;
  /** Starts it in recovery, read only, as a replica does (`pg_is_in_recovery()` is true). */
  standby?: boolean;
}

/** A running PostgreSQL server. */
export interface PostgresServer {
  /** Of the superuser `postgres` and the database `postgres`, with a password of this server only. */
  readonly url: string;
  readonly port: number;
  readonly dataFolder: string;
  /** The postmaster, while it runs. */
  readonly pid: number | undefined;
  /** The last 64 KiB of the server's log. */
  log(): string;
  /** Sends the postmaster a signal; for SIGKILL and other ending ones resolves at its end. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Ends it if it runs and starts it on the same data and port. */
  restart(): Promise<void>;
  /** Ends it and removes its data. May be called more than once. */
  stop(): Promise<void>;
}

/** A user of the machine without rights. */
export interface User {
  name: string;
  uid: number;
  gid: number;
}

/** Nothing here has to survive a crash of the machine, and many databases are created. */
const fastSettings: Readonly<Record<string, string>> = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  max_connections: '200',
  listen_addresses: '127.0.0.1',
  // Paths of unix sockets are limited to about 100 bytes, which temporary folders can exceed.
  unix_socket_directories: '',
};

/**
 * Starts a private PostgreSQL on 127.0.0.1, from the binaries that npm installed. As root it runs as an unprivileged
 * user, since PostgreSQL refuses root.
 * @throws ServiceUnavailable where PostgreSQL cannot run
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const user = await unprivilegedUser();
  const binaries = await postgresBinaries(user !== undefined);
  const password = randomBytes(12).toString('hex');
  for (let attempt = 1; ; attempt += 1) {
    const folder = await serverFolder(user);
    const dataFolder = join(folder, 'data');
    const port = options.port ?? (await freePort());
    // Before the data are made, so that they go with it however this ends.
    const server = postgresProcess(binaries, folder, dataFolder, port, options.settings ?? {}, user);
    try {
      await initialise(binaries, folder, dataFolder, password, user);
      if (options.standby === true) {
        await writeOwned(join(dataFolder, 'standby.signal'), '', user);
      }
      await server.start();
      return publicServer(server, `postgres://postgres:${password}@127.0.0.1:${port}/postgres`, port, dataFolder);
    } catch (error) {
      await server.stop();
      const taken = error instanceof Error && /could not bind|Address already in use/i.test(error.message);
      if (!taken || options.port !== undefined || attempt === 5) {
        throw error;
      }
    }
  }
}

function publicServer(server: ServerProcess, url: string, port: number, dataFolder: string): PostgresServer {
  return {
    url,
    port,
    dataFolder,
    get pid() {
      return server.pid;
    },
    log: server.log,
    kill: server.kill,
    restart: async () => {
      await server.halt();
      await server.start();
    },
    stop: server.stop,
  };
}

function postgresProcess(
  binaries: PostgresBinaries,
  folder: string,
  dataFolder: string,
  port: number,
  settings: Readonly<Record<string, string>>,
  user: User | undefined,
): ServerProcess {
  const flags = Object.entries({ ...fastSettings, ...settings }).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return createServerProcess({
    name: 'postgres',
    command: binaries.postgres,
    args: ['-D', dataFolder, '-p', String(port), ...flags],
    env: serverEnvironment(),
    cwd: folder,
    user,
    // SIGINT ends open sessions and stops; SIGTERM would wait for clients to leave.
    stopSignal: 'SIGINT',
    // SIGKILL would leave its shared memory behind.
    abandonSignal: 'SIGQUIT',
    ready: /database system is ready to accept (read-only )?connections/,
    folder,
  });
}

/** English messages, since its log is read, and no setting of the caller's own PostgreSQL. */
function serverEnvironment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('PG') && !name.startsWith('LC_'));
  return { ...Object.fromEntries(own), LC_ALL: 'C' };
}

async function serverFolder(user: User | undefined): Promise<string> {
  if (user === undefined) {
    return temporaryFolder('postgres');
  }
  const folder = await mkdtemp(join(await publicTemporaryFolder(), 'assent-postgres-data-'));
  await chown(folder, user.uid, user.gid);
  return folder;
}

async function initialise(
  binaries: PostgresBinaries,
  folder: string,
  dataFolder: string,
  password: string,
  user: User | undefined,
): Promise<void> {
  const passwordFile = join(folder, 'password');
  await writeOwned(passwordFile, `${password}\n`, user);
  const args = [
    `--pgdata=${dataFolder}`,
    '--username=postgres',
    `--pwfile=${passwordFile}`,
    // Any user of the machine can connect to a port of 127.0.0.1, and a superuser can run programs.
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    // The same order and case rules on every machine, whatever locales it has.
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--locale=C',
    '--no-sync',
    '--no-instructions',
  ];
  try {
    await run(binaries.initdb, args, { cwd: folder, env: serverEnvironment(), ...(user ?? {}) });
  } catch (error) {
    const details = error instanceof Error && 'stderr' in error && error.stderr !== '' ? error.stderr : String(error);
    throw new ServiceUnavailable('postgres', `PostgreSQL cannot be set up here: ${String(details).trim()}`);
  } finally {
    await rm(passwordFile, { force: true });
  }
}

async function writeOwned(path: string, text: string, user: User | undefined): Promise<void> {
  await writeFile(path, text, { mode: 0o600 });
  await chmod(path, 0o600);
  if (user !== undefined) {
    await chown(path, user.uid, user.gid);
  }
}

/** The user to run as when this process is root: `postgres` where there is one, else `nobody`. No user is created. */
export async function unprivilegedUser(): Promise<User | undefined> {
  if (process.getuid?.() !== 0) {
    return undefined;
  }
  const lines = (await readFile('/etc/passwd', 'utf8').catch(() => '')).split('\n').map((line) => line.split(':'));
  for (const name of ['postgres', 'nobody']) {
    const [, , uid, gid] = lines.find(([user]) => user === name) ?? [];
    // macOS writes the uid of nobody as -2.
    if (uid !== undefined && gid !== undefined && Number(uid) > 0 && Number(gid) > 0) {
      return { name, uid: Number(uid), gid: Number(gid) };
    }
  }
  throw new ServiceUnavailable(
    'postgres',
    'PostgreSQL refuses to run as root, and this machine has no user "postgres" or "nobody" to run it as. Run as another user.',
  );
}
