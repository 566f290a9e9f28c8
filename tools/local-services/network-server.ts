import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startContainer } from './docker.ts';
import { temporaryFolder } from './folders.ts';
import { freePort } from './ports.ts';
import type { Server, ServerKind, ServerOptions } from './server.ts';
import { createServerProcess, type ServerProcess } from './server-process.ts';
import { type Origin, serverProgram } from './server-program.ts';
import { serviceUnavailable } from './unavailable.ts';

const configName = 'server.conf';

/**
 * Starts a server by the first route that serves: a URL in the environment, the program on the path, Debian's package
 * in the cache folder, Docker Compose.
 * @throws ServiceUnavailable if none does, with the one command to run first
 */
export async function startServer(kind: ServerKind, options: ServerOptions): Promise<Server> {
  const tried: string[] = [];
  const { port, folder, config, args = [] } = options;
  const own =
    options.own === true || port !== undefined || folder !== undefined || config !== undefined || args.length > 0;
  const url = process.env[kind.variable];
  if (!own && url !== undefined && url !== '') {
    if (await kind.answers(url)) {
      process.stderr.write(`using the ${kind.service} server of ${kind.variable}\n`);
      return environmentServer(kind, url);
    }
    tried.push(`the server of ${kind.variable} does not answer`);
  }
  const found = await serverProgram(kind.package);
  if (found.program !== undefined) {
    return startProcess(kind, options, found.program, found.origin);
  }
  tried.push(...found.tried);
  const container = await startContainer(kind, options);
  if (typeof container !== 'string') {
    return container;
  }
  throw serviceUnavailable(kind.service, [...tried, container]);
}

function environmentServer(kind: ServerKind, url: string): Server {
  const refuse = async () => {
    throw new Error(`the server of ${kind.variable} is not ours to stop`);
  };
  return {
    url,
    port: Number(new URL(url).port),
    origin: 'environment',
    pid: undefined,
    folder: undefined,
    log: () => '',
    kill: refuse,
    restart: refuse,
    stop: async () => {},
  };
}

async function startProcess(
  kind: ServerKind,
  options: ServerOptions,
  program: { command: string; env: Readonly<Record<string, string>> },
  origin: Origin,
): Promise<Server> {
  for (let attempt = 1; ; attempt += 1) {
    const port = options.port ?? (await freePort());
    const folder = options.folder ?? (await temporaryFolder(kind.service));
    await mkdir(folder, { recursive: true });
    const config = options.config === undefined ? undefined : join(folder, configName);
    if (config !== undefined) {
      await writeFile(config, options.config ?? '');
    }
    const server = createServerProcess({
      name: kind.package,
      command: program.command,
      args: [...kind.args({ host: '127.0.0.1', port, folder, config }), ...(options.args ?? [])],
      env: { ...process.env, ...program.env, LC_ALL: 'C' },
      cwd: folder,
      stopSignal: 'SIGTERM',
      abandonSignal: 'SIGKILL',
      ready: kind.ready,
      folder: options.folder === undefined ? folder : undefined,
    });
    try {
      await server.start();
      return processServer(kind, server, port, folder, origin);
    } catch (error) {
      await server.stop();
      const taken = error instanceof Error && /address already in use/i.test(error.message);
      if (!taken || options.port !== undefined || attempt === 5) {
        throw error;
      }
    }
  }
}

function processServer(kind: ServerKind, server: ServerProcess, port: number, folder: string, origin: Origin): Server {
  return {
    url: kind.url(port),
    port,
    origin,
    folder,
    get pid() {
      return server.pid;
    },
    log: server.log,
    kill: server.kill,
    restart: async ({ empty = false } = {}) => {
      await server.halt();
      if (empty) {
        await emptyFolder(folder);
      }
      await server.start();
    },
    stop: server.stop,
  };
}

async function emptyFolder(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name === configName) {
      continue;
    }
    await rm(join(folder, name), { recursive: true, force: true });
  }
}
