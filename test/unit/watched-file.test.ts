import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { createWatchedFile } from '../../src/watched-file.ts';
import { testFolder } from '../support/folder.ts';

const { path: folder, file } = testFolder();

/** A watch that looks only when the test says so. */
const open = (path: string, text: string) => {
  const seen: string[] = [];
  const watch = createWatchedFile({
    path,
    onChange: (changed) => seen.push(changed),
    onUnreadable: (problem) => seen.push(problem),
    intervalMs: 1e9,
  });
  watch.start(text);
  onTestFinished(() => watch.stop());
  const looks = async (count: number): Promise<void> => {
    for (let look = 0; look < count; look += 1) await watch.look();
  };
  return { watch, looks, taken: () => seen.splice(0) };
};

it('a reload takes the file at once, also one that is in effect already', async () => {
  const path = file('reloaded', 'one');
  const { watch, looks, taken } = open(path, 'one');
  await watch.reload();
  expect(taken()).toEqual(['one']);
  writeFileSync(path, 'two');
  await watch.reload();
  expect(taken()).toEqual(['two']);
  await looks(3);
  expect(taken()).toEqual([]);
});

it('reloads at once share one reading, and come after a look that is under way', async () => {
  const path = file('shared', 'one');
  const { watch, looks, taken } = open(path, 'one');
  writeFileSync(path, 'two');
  await watch.look();
  await Promise.all([watch.look(), watch.reload(), watch.reload()]);
  expect(taken()).toEqual(['two', 'two']);
  await looks(2);
  expect(taken()).toEqual([]);
});

it('a reload reports an unreadable file each time, and does not reject', async () => {
  const path = file('gone', 'one');
  const { watch, taken } = open(path, 'one');
  rmSync(path);
  await watch.reload();
  await watch.reload();
  expect(taken()).toEqual(Array(2).fill(`${path}: cannot be read (ENOENT)`));
});

it('a file behind the moving link of a ConfigMap is taken as a whole', async () => {
  const map = join(folder, 'map');
  for (const [version, text] of [
    ['..1', 'one'],
    ['..2', 'two'],
  ] as const) {
    mkdirSync(join(map, version), { recursive: true });
    writeFileSync(join(map, version, 'file'), text);
  }
  symlinkSync('..1', join(map, '..data'));
  symlinkSync('..data/file', join(map, 'file'));
  const { looks, taken } = open(join(map, 'file'), 'one');
  symlinkSync('..2', join(map, '..data_tmp'));
  renameSync(join(map, '..data_tmp'), join(map, '..data'));
  rmSync(join(map, '..1'), { recursive: true });
  await looks(2);
  expect(taken()).toEqual(['two']);
});

it('a directory, a pipe, a device and a file without bound in place of the file are unreadable, and hold nothing', async () => {
  const path = file('replaced', 'one');
  const { looks, taken } = open(path, 'one');
  const replaceBy = async (make: () => void): Promise<readonly string[]> => {
    rmSync(path, { recursive: true });
    make();
    await looks(12);
    const seen = taken();
    // The next fault is a new one.
    rmSync(path, { recursive: true });
    writeFileSync(path, 'one');
    await looks(1);
    return seen;
  };
  const unreadable = (why: string) => [`${path}: cannot be read (${why})`];
  expect(await replaceBy(() => mkdirSync(path))).toEqual(unreadable('EISDIR'));
  expect(await replaceBy(() => execFileSync('mkfifo', [path]))).toEqual(unreadable('not a file'));
  expect(await replaceBy(() => symlinkSync('/dev/zero', path))).toEqual(unreadable('not a file'));
  expect(await replaceBy(() => symlinkSync(path, path))).toEqual(unreadable('ELOOP'));
  const huge = (): void => {
    writeFileSync(path, '');
    truncateSync(path, 2 ** 33);
  };
  expect(await replaceBy(huge)).toEqual(unreadable('longer than 3145728 bytes'));
  expect(await replaceBy(() => writeFileSync(path, 'x'.repeat(3_145_728)))).toEqual(['x'.repeat(3_145_728)]);
});
