/** The package as others get it: built, packed by npm, and unpacked into a folder that has its dependencies beside it. */
import { cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { afterAll } from 'vitest';
import { run } from '../../../tools/run.ts';

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
export const ROOT = path('../../..');
const PACKAGE = path('../../../packages/better-auth');
const BLOCK = 512;

/** The files of a tar archive as npm writes it, without the folder that they are all in. */
const untar = (archive: Buffer): ReadonlyMap<string, Buffer> => {
  const files = new Map<string, Buffer>();
  const text = (from: number, to: number): string => archive.toString('utf8', from, to).replace(/\0.*$/s, '');
  for (let at = 0; at < archive.length && archive[at] !== 0; ) {
    const name = [text(at + 345, at + 500), text(at, at + 100)].filter((part) => part !== '').join('/');
    const size = Number.parseInt(text(at + 124, at + 136), 8);
    const begin = at + BLOCK;
    if (text(at + 156, at + 157) === '0')
      files.set(name.replace(/^package\//, ''), archive.subarray(begin, begin + size));
    at = begin + Math.ceil(size / BLOCK) * BLOCK;
  }
  return files;
};

export interface Packed {
  /** Where `@assent/better-auth` is installed. */
  readonly folder: string;
  /** The names of its files. */
  readonly files: readonly string[];
}

/**
 * Call it at the top of a file; the folder is gone after the file's tests.
 * @param betterAuth The folder of Better Auth; that of the repository when absent.
 */
export const installPacked = async (betterAuth = join(ROOT, 'node_modules/better-auth')): Promise<Packed> => {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'assent-packed-')));
  afterAll(() => rm(folder, { recursive: true, force: true }));
  // A copy: the tests of other files may do the same at this moment.
  const copy = join(folder, 'package');
  const isSource = (name: string): boolean => !/^(?:dist|sql|node_modules)(?:\/|$)/.test(relative(PACKAGE, name));
  await cp(PACKAGE, copy, { recursive: true, filter: isSource });
  // What prepack does, without a shell of npm's in between.
  await run(process.execPath, [join(ROOT, 'scripts/build-package.ts'), join(copy, 'dist')], { cwd: PACKAGE });
  await run(process.execPath, [join(ROOT, 'scripts/write-outbox-sql.ts'), join(copy, 'sql')]);
  await run('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], { cwd: copy });
  const [archive = ''] = (await readdir(folder)).filter((name) => name.endsWith('.tgz'));
  const files = untar(gunzipSync(await readFile(join(folder, archive))));
  const installed = join(folder, 'node_modules/@assent/better-auth');
  for (const [name, content] of files) {
    await mkdir(dirname(join(installed, name)), { recursive: true });
    await writeFile(join(installed, name), content);
  }
  // Nothing else: an import of any other package fails.
  for (const name of ['nats', 'yaml', 'pg', '@types/node', '@types/pg']) {
    await mkdir(dirname(join(folder, 'node_modules', name)), { recursive: true });
    await symlink(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name));
  }
  await symlink(betterAuth, join(folder, 'node_modules/better-auth'));
  await writeFile(join(folder, 'package.json'), '{ "type": "module", "private": true }\n');
  return { folder, files: [...files.keys()].sort() };
};
