import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../run.ts';

const timeout = 180_000;
const maxBuffer = 64 * 1024 * 1024;
/** The output of apt is read. */
const env = { ...process.env, LC_ALL: 'C' };

/** The package lists of apt: those of the system, or private ones below the cache. */
export interface Apt {
  options: readonly string[];
}

/** The system's own lists, which a container image often comes without. */
export const systemApt: Apt = { options: unsandboxed() };

/** Private lists, which any user can fill. */
export async function privateApt(folder: string): Promise<Apt> {
  const lists = join(folder, 'apt', 'lists');
  const archives = join(folder, 'apt', 'archives');
  await mkdir(join(lists, 'partial'), { recursive: true });
  await mkdir(join(archives, 'partial'), { recursive: true });
  const settings = [
    `Dir::State::lists=${lists}`,
    `Dir::Cache=${join(folder, 'apt')}`,
    `Dir::Cache::archives=${archives}`,
    'Acquire::Languages=none',
    'Acquire::GzipIndexes=true',
    'Acquire::Retries=2',
  ];
  return { options: [...unsandboxed(), ...settings.flatMap((setting) => ['-o', setting])] };
}

/** As root, apt downloads as its user `_apt`, who cannot write to our folder. */
function unsandboxed(): string[] {
  return process.getuid?.() === 0 ? ['-o', 'APT::Sandbox::User=root'] : [];
}

/**
 * Fetches the lists of packages. One source of several that cannot be reached makes apt fail although the others were
 * fetched, so the result is judged by what can be found afterwards.
 */
export async function updateLists(apt: Apt): Promise<string> {
  return run('apt-get', [...apt.options, '-q', 'update'], { env, timeout, maxBuffer }).then(
    () => '',
    (error: Error & { stderr?: string }) => error.stderr?.trim().split('\n').at(0) ?? error.message,
  );
}

/** Downloads the packages of these names into the folder. */
export async function download(apt: Apt, packages: readonly string[], folder: string): Promise<void> {
  await run('apt-get', [...apt.options, '-q', 'download', ...packages], { cwd: folder, env, timeout, maxBuffer });
}

/** Unpacks a package file below a folder; runs none of its scripts. */
export async function unpackInto(file: string, root: string): Promise<void> {
  await run('dpkg', ['-x', file, root], { env, timeout, maxBuffer });
}

/** The names of the installed packages. */
export async function installedPackages(): Promise<ReadonlySet<string>> {
  const { stdout } = await run('dpkg', ['--get-selections'], { env, maxBuffer });
  const rows = stdout.split('\n').map((line) => line.split(/\s+/));
  return new Set(rows.filter(([, state]) => state === 'install').map(([name]) => name?.replace(/:.*/, '') ?? ''));
}

/** What a package depends on: each item is a list of alternatives, of which one suffices. */
export async function dependencies(apt: Apt, name: string): Promise<string[][]> {
  const flags = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'].map((kind) => `--no-${kind}`);
  const { stdout } = await run('apt-cache', [...apt.options, 'depends', ...flags, name], { env, timeout, maxBuffer });
  return parseDependencies(stdout);
}

/**
 * Reads the output of `apt-cache depends`: `Depends: name`; with `|` in front, one whose next line is an alternative;
 * `<name>` is a virtual package, with its providers indented below.
 */
export function parseDependencies(text: string): string[][] {
  const groups: string[][] = [];
  let continues = false;
  for (const line of text.split('\n')) {
    const depends = /^ ([ |])(?:Pre)?Depends: (\S+)$/.exec(line);
    const provider = /^ {4}(\S+)$/.exec(line);
    if (depends !== null) {
      const name = depends[2]?.replace(/:any$/, '') ?? '';
      const names = name.startsWith('<') ? [] : [name];
      if (continues) {
        groups.at(-1)?.push(...names);
      } else {
        groups.push(names);
      }
      continues = depends[1] === '|';
    } else if (provider?.[1] !== undefined) {
      groups.at(-1)?.push(provider[1]);
    }
  }
  return groups;
}

/** Whether this is Debian or one of its kin. */
export async function hasApt(): Promise<boolean> {
  const tools = await Promise.all(
    ['/usr/bin/apt-get', '/usr/bin/dpkg'].map((path) => stat(path).catch(() => undefined)),
  );
  return tools.every((tool) => tool !== undefined);
}
