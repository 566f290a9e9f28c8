/** `assent-policy` on the files of a temporary folder, where Better Auth is installed. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { afterAll } from 'vitest';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const CLI = path('../../../packages/better-auth/bin/assent-policy.js');

export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Folder {
  readonly path: string;
  write(files: Readonly<Record<string, string>>): Promise<void>;
  /** The names of the files that were left in the folder for temporary files. */
  leftOver(): Promise<readonly string[]>;
  /**
   * Runs it with these arguments, under Node or under another program.
   * @param below The folder to run it in, below this one.
   */
  run(
    args: readonly string[],
    program?: string,
    variables?: Readonly<Record<string, string>>,
    below?: string,
  ): Promise<Result>;
}

/**
 * Call it at the top of a file; the folder is removed after the file's tests.
 * @param betterAuth `bundled`: the same Better Auth in a few modules instead of hundreds. Node loads them in 0.1 s and not in
 * 0.6 s, which counts in a file with fifty processes.
 */
export const createFolder = async (betterAuth: 'installed' | 'bundled' = 'installed'): Promise<Folder> => {
  const folder = await mkdtemp(join(tmpdir(), 'assent-policy-test-'));
  afterAll(() => rm(folder, { recursive: true, force: true }));
  if (betterAuth === 'bundled') await bundleBetterAuth(join(folder, 'node_modules/better-auth'));
  else await symlink(path('../../../node_modules'), join(folder, 'node_modules'));
  const temporary = join(folder, 'tmp');
  await mkdir(temporary);
  return {
    path: folder,
    write: async (files) => {
      for (const [name, text] of Object.entries(files)) {
        await mkdir(dirname(join(folder, name)), { recursive: true });
        await writeFile(join(folder, name), text);
      }
    },
    leftOver: () => readdir(temporary),
    run: (args, program = process.execPath, variables = {}, below = '.') =>
      new Promise((resolve, reject) => {
        const options = {
          cwd: join(folder, below),
          timeout: 20_000,
          // Compiled once, and not in each of these processes.
          env: { ...process.env, TMPDIR: temporary, NODE_COMPILE_CACHE: join(folder, 'compiled'), ...variables },
        };
        execFile(program, [CLI, ...args], options, (error, stdout, stderr) => {
          if (error !== null && typeof error.code !== 'number') reject(error);
          else resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
        });
      }),
  };
};

const bundleBetterAuth = async (target: string): Promise<void> => {
  const source = path('../../../node_modules/better-auth/dist');
  const modules = ['index', 'plugins/index', 'plugins/access/index'];
  const bundle = await rolldown({
    input: Object.fromEntries(modules.map((name) => [name, join(source, `${name}.mjs`)])),
    platform: 'node',
    onLog: () => {},
  });
  await bundle.write({ dir: target, format: 'esm', entryFileNames: '[name].mjs', chunkFileNames: 'chunks/[name].mjs' });
  await bundle.close();
  const exports = {
    '.': './index.mjs',
    './plugins': './plugins/index.mjs',
    './plugins/access': './plugins/access/index.mjs',
  };
  await writeFile(join(target, 'package.json'), JSON.stringify({ name: 'better-auth', type: 'module', exports }));
};

export const BUN = path('../../../node_modules/.bin/bun');
