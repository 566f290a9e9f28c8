import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { run } from '../run.ts';
import { type Cleanup, registerCleanup, unregisterCleanup } from './cleanup.ts';
import { freePort } from './ports.ts';
import { withProgress } from './progress.ts';
import type { Server, ServerKind, ServerOptions } from './server.ts';

const composeFile = fileURLToPath(new URL('../../docker-compose.yml', import.meta.url));
/** Compose reads the whole file, whose other services insist on these. */
const env = { BETTER_AUTH_SECRET: 'unused', BETTER_AUTH_URL: 'http://127.0.0.1', ...process.env };
/** The first time includes the download of the image. */
const createMs = 300_000;
const readyMs = 30_000;
const pollMs = 100;

/**
 * Starts a container of the repository's Compose service, with its own port and name, beside other containers.
 * Its data live in the container: restarts keep them, and nothing of them is left on this machine.
 * @returns the server, or why there is none
 */
export async function startContainer(kind: ServerKind, options: ServerOptions): Promise<Server | string> {
  const engine = await docker(['info', '--format', '{{.ServerVersion}}'], 10_000);
  if (typeof engine !== 'string' || engine.trim() === '') {
    return 'no Docker engine';
  }
  if (options.folder !== undefined || options.config !== undefined) {
    return 'a container cannot use a folder of this machine';
  }
  const name = `assent-${kind.service}-${randomBytes(6).toString('hex')}`;
  const port = options.port ?? (await freePort());
  const compose = ['compose', '--file', composeFile, '--project-name', name];
  // The container first: `down` keeps those of `run` in some releases. It takes the network and the volumes.
  const removals = [
    ['rm', '--force', '--volumes', name],
    [...compose, 'down', '--volumes', '--remove-orphans', '--timeout', '1'],
  ];
  const cleanup: Cleanup = {
    stop: async () => {
      for (const removal of removals) {
        await docker(removal);
      }
    },
    abandon: () => {
      const script = 'file=$1 name=$2; docker rm --force --volumes "$name"; docker compose --file "$file"';
      const shell = spawn(
        '/bin/sh',
        ['-c', `${script} --project-name "$name" down --volumes --timeout 1`, 'assent-cleanup', composeFile, name],
        { detached: true, stdio: 'ignore', env },
      );
      shell.on('error', () => {});
      shell.unref();
    },
  };
  const create = async (): Promise<void> => {
    const flags = ['--detach', '--no-deps', '--name', name, '--publish', `127.0.0.1:${port}:${kind.containerPort}`];
    const inside = kind.args({ host: '0.0.0.0', port: kind.containerPort, folder: '/data', config: undefined });
    const args = [...compose, 'run', ...flags, kind.service, ...inside, ...(options.args ?? [])];
    await run('docker', args, { timeout: createMs, env });
    await untilItAnswers(kind, port);
  };
  registerCleanup(cleanup);
  try {
    await withProgress(`starting ${kind.service} with Docker Compose, which may download its image`, create);
  } catch (error) {
    await cleanup.stop();
    unregisterCleanup(cleanup);
    return `Docker Compose failed: ${error instanceof Error ? error.message.trim().split('\n').at(-1) : String(error)}`;
  }
  return {
    url: kind.url(port),
    port,
    origin: 'docker compose',
    pid: undefined,
    folder: undefined,
    log: () => '',
    kill: async (signal) => void (await run('docker', ['kill', '--signal', signal, name])),
    restart: async ({ empty = false } = {}) => {
      if (empty) {
        await cleanup.stop();
        await create();
        return;
      }
      await run('docker', ['restart', name]);
      await untilItAnswers(kind, port);
    },
    stop: async () => {
      await cleanup.stop();
      unregisterCleanup(cleanup);
    },
  };
}

async function docker(args: readonly string[], timeout = 60_000): Promise<string | undefined> {
  return run('docker', args, { timeout, env }).then(
    ({ stdout }) => stdout,
    () => undefined,
  );
}

async function untilItAnswers(kind: ServerKind, port: number): Promise<void> {
  const deadline = performance.now() + readyMs;
  while (!(await kind.answers(kind.url(port)))) {
    if (performance.now() > deadline) {
      throw new Error(`${kind.service} in a container did not answer within ${readyMs / 1000} s`);
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}
