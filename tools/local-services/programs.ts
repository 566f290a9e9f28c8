import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import { run } from '../run.ts';

/** A program that can be started. */
export interface Program {
  command: string;
  /** Variables for this program alone, added to our environment. */
  env: Readonly<Record<string, string>>;
}

/** Where servers are installed though an ordinary user's path lacks it: Debian has nats-server in /usr/sbin. */
const usualFolders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/opt/homebrew/bin'];

/** The first executable file of that name on the path. */
export async function findOnPath(name: string): Promise<string | undefined> {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...usualFolders].filter(isAbsolute);
  for (const folder of folders) {
    const path = join(folder, name);
    if (await isExecutableFile(path)) {
      return path;
    }
  }
  return undefined;
}

/** Whether a server's program starts at all: one for another machine, or without its libraries, does not. */
export async function programWorks(program: Program): Promise<boolean> {
  return run(program.command, ['--version'], { env: { ...process.env, ...program.env }, timeout: 10_000 }).then(
    () => true,
    () => false,
  );
}

async function isExecutableFile(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
