/** `assent-policy` on files of a folder that has the packages of this repository, and nothing else in it. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
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
  /** The names of what was left where temporary files go. */
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

export const createFolder = async (): Promise<Folder> => {
  const folder = await mkdtemp(join(tmpdir(), 'assent-policy-test-'));
  afterAll(() => rm(folder, { recursive: true, force: true }));
  await symlink(path('../../../node_modules'), join(folder, 'node_modules'));
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
          env: { ...process.env, TMPDIR: temporary, ...variables },
        };
        execFile(program, [CLI, ...args], options, (error, stdout, stderr) => {
          if (error !== null && typeof error.code !== 'number') reject(error);
          else resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
        });
      }),
  };
};

export const BUN = path('../../../node_modules/.bin/bun');
