/** Installs what the bench needs beside the service, on its first use. */
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('.', import.meta.url));
/** npm writes it when an installation is complete. */
const installed = new URL('node_modules/.package-lock.json', import.meta.url);
const wanted = new URL('package-lock.json', import.meta.url);

/** Runs `npm ci` in this folder unless it was run since the lock file changed. Peers that fail to install are optional. */
export const installPeers = (): void => {
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(wanted).mtimeMs) return;
  process.stderr.write('installing the peers: npm ci --prefix bench (about 250 MB, once) ...\n');
  const { status, error } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--prefix', folder], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (status !== 0) {
    const why = error === undefined ? `npm ended with ${status}` : error.message;
    process.stderr.write(`  the peers could not be installed (${why}): measuring without them\n`);
  }
};

/** Imports a package of bench/node_modules; null where it is not installed. The caller gives the type. */
export const importPeer = async (name: string): Promise<unknown> => {
  try {
    return await import(name);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND') return null;
    throw error;
  }
};
