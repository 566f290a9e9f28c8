import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Apt,
  dependencies,
  download,
  installedPackages,
  privateApt,
  systemApt,
  unpackInto,
  updateLists,
} from './apt.ts';
import { cacheFolder } from './folders.ts';
import { withLock } from './lock.ts';
import { type Program, programWorks } from './programs.ts';
import { withProgress } from './progress.ts';

/** The packages of our servers; each has a program of the same name. */
export type ServerPackage = 'redis-server' | 'nats-server' | 'pgbouncer';

/** The package that holds the bench's load generator. */
export type ToolPackage = 'nghttp2-client';

type Package = ServerPackage | ToolPackage;

const programOf = (name: Package): string => (name === 'nghttp2-client' ? 'h2load' : name);

/** Debian's redis-server is a package of links into redis-tools. */
const companions: ReadonlySet<string> = new Set(['redis-tools']);

/**
 * A program from its Debian package, downloaded and unpacked into the cache folder together with the libraries
 * that the machine lacks. Nothing is installed, no service is enabled and no root is needed.
 * @throws Error saying which step failed
 */
export async function debianProgram(name: Package): Promise<Program> {
  const folder = join(await cacheFolder(), `packages-${await systemName()}`);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const target = join(folder, name);
  const cached = await unpackedProgram(target, name);
  if (cached !== undefined) {
    return cached;
  }
  return withLock(folder, async (workspace) => {
    const made = await unpackedProgram(target, name);
    return made ?? fetchProgram(name, folder, workspace, target);
  });
}

async function fetchProgram(name: Package, folder: string, workspace: string, target: string): Promise<Program> {
  const what = `${name} is not installed: unpacking its package below ${folder} (nothing is installed)`;
  const root = join(workspace, name);
  await withProgress(what, (step) => fetchPackages(name, folder, root, step));
  if ((await unpackedProgram(root, name)) === undefined) {
    throw new Error(`the unpacked ${name} does not run`);
  }
  await rm(target, { recursive: true, force: true });
  await rename(root, target);
  const program = await unpackedProgram(target, name);
  if (program === undefined) {
    throw new Error(`the unpacked ${name} does not run`);
  }
  return program;
}

/** Tries the system's lists of packages first, then our own; lists that are old name files that are gone. */
async function fetchPackages(name: string, folder: string, root: string, step: (name: string) => void): Promise<void> {
  const own = await privateApt(folder);
  const problems: string[] = [];
  const routes: { apt: Apt; update: boolean }[] = [
    { apt: systemApt, update: false },
    { apt: own, update: false },
    { apt: own, update: true },
  ];
  for (const { apt, update } of routes) {
    try {
      if (update) {
        step('downloading lists of packages');
        const problem = await updateLists(apt);
        problems.push(...(problem === '' ? [] : [problem]));
      }
      step('downloading packages');
      await fetchWith(apt, name, root);
      return;
    } catch (error) {
      problems.push(firstLine(error));
      await rm(root, { recursive: true, force: true });
    }
  }
  throw new Error(problems.at(-1) ?? 'no package');
}

async function fetchWith(apt: Apt, name: string, root: string): Promise<void> {
  const packages = await missingPackages(apt, name);
  const files = `${root}-files`;
  await rm(files, { recursive: true, force: true });
  await mkdir(files);
  await download(apt, packages, files);
  await mkdir(root);
  for (const file of await readdir(files)) {
    if (file.endsWith('.deb')) {
      await unpackInto(join(files, file), root);
    }
  }
}

/** The package, and of what it needs the libraries that are not installed. Its other dependencies serve its set-up. */
async function missingPackages(apt: Apt, name: string): Promise<string[]> {
  const installed = await installedPackages();
  const wanted = new Set([name]);
  for (const each of wanted) {
    for (const alternatives of await dependencies(apt, each)) {
      const usable = alternatives.filter((other) => other.startsWith('lib') || companions.has(other));
      const [first] = usable;
      if (first !== undefined && !alternatives.some((other) => installed.has(other) || wanted.has(other))) {
        wanted.add(first);
      }
    }
  }
  return [...wanted];
}

/** The unpacked program with its libraries, if it is there and runs. */
async function unpackedProgram(root: string, name: Package): Promise<Program | undefined> {
  const libraries = await libraryFolders(root);
  const env = libraries.length === 0 ? {} : { LD_LIBRARY_PATH: libraries.join(':') };
  for (const folder of ['usr/bin', 'usr/sbin']) {
    const program = { command: join(root, folder, programOf(name)), env };
    if (await programWorks(program)) {
      return program;
    }
  }
  return undefined;
}

async function libraryFolders(root: string): Promise<string[]> {
  const found = new Set<string>();
  for (const base of ['usr/lib', 'lib']) {
    const entries = await readdir(join(root, base), { recursive: true, withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      if (/\.so(\.|$)/.test(entry.name)) {
        found.add(entry.parentPath);
      }
    }
  }
  return [...found];
}

/** Such as `debian-12-x64`: a home folder can be shared by machines that cannot run each other's programs. */
async function systemName(): Promise<string> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const field = (key: string) => new RegExp(`^${key}="?([\\w.-]+)"?$`, 'm').exec(text)?.[1] ?? 'unknown';
  return `${field('ID')}-${field('VERSION_ID')}-${process.arch}`;
}

function firstLine(error: unknown): string {
  const details = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
  const lines = (details === '' ? String(error) : details).split('\n');
  return lines.find((line) => line.startsWith('E:')) ?? lines[0] ?? '';
}
