import { constants } from 'node:fs';
import { access, lstat, mkdir, mkdtemp, stat } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** Raised when the layout of what is kept in the cache changes. */
const cacheVersion = 'v1';

/** A new folder of this process's own below the system's temporary folder, mode 0700. */
export function temporaryFolder(purpose: string): Promise<string> {
  return mkdtemp(join(tmpdir(), `assent-${purpose}-`));
}

/** Whether processes of every user can reach what is below this folder. */
async function isTraversableByAll(folder: string): Promise<boolean> {
  for (let path = folder; ; path = dirname(path)) {
    const found = await stat(path).catch(() => undefined);
    if (found === undefined || (found.mode & 0o001) === 0) {
      return false;
    }
    if (path === dirname(path)) {
      return true;
    }
  }
}

/** The first of the usual temporary folders whose contents every user can reach: TMPDIR may be private to root. */
export async function publicTemporaryFolder(): Promise<string> {
  for (const folder of [tmpdir(), '/tmp', '/var/tmp']) {
    if (await isTraversableByAll(folder)) {
      return folder;
    }
  }
  throw new Error('no temporary folder that other users can reach');
}

/**
 * Whether the folder is a real one, ours, and not writable for other users. What is executed from a folder that another user
 * can write, or made before us under a guessable name, would be their program under our name.
 */
export async function isTrusted(folder: string): Promise<boolean> {
  const found = await lstat(folder).catch(() => undefined);
  return found?.isDirectory() === true && found.uid === (process.getuid?.() ?? found.uid) && (found.mode & 0o022) === 0;
}

/**
 * The folder for what is downloaded or copied once and kept: `$XDG_CACHE_HOME/assent/v1`, else `~/.cache/assent/v1`,
 * else one under the temporary folder; mode 0700.
 */
export async function cacheFolder(): Promise<string> {
  const homes = [process.env['XDG_CACHE_HOME'], join(homedir(), '.cache')].filter((base) => base?.startsWith('/'));
  const candidates: string[] = [];
  for (const home of homes) {
    // With root's rights and a user's HOME, as sudo can leave it, root's folders in that home would be in the user's way.
    if (home !== undefined && (await isInOurFolder(home))) {
      candidates.push(join(home, 'assent'));
    }
  }
  candidates.push(join(tmpdir(), `assent-cache-${process.getuid?.() ?? 'user'}`));
  for (const candidate of candidates) {
    const folder = join(candidate, cacheVersion);
    const made = await mkdir(folder, { recursive: true, mode: 0o700 }).then(
      () => true,
      () => false,
    );
    if (made && (await isTrusted(candidate)) && (await isTrusted(folder)) && (await isWritable(folder))) {
      return folder;
    }
  }
  throw new Error(`no folder to keep downloads in: none of ${candidates.join(', ')} is ours to write`);
}

/** Whether the nearest folder of this path that exists belongs to our user. */
async function isInOurFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) {
    return path !== dirname(path) && (await isInOurFolder(dirname(path)));
  }
  return process.getuid === undefined || found.uid === process.getuid();
}

function isWritable(folder: string): Promise<boolean> {
  return access(folder, constants.W_OK).then(
    () => true,
    () => false,
  );
}
