/** Which core runs what: the server under test has one to itself, the load and everything else share another. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Numbers of cores, as taskset takes them. */
export interface Cores {
  readonly server: string;
  readonly load: string;
  /** For what needs more than one, such as two workers: the server's core and all others. */
  readonly all: string;
  readonly count: number;
}

const parseList = (text: string): number[] =>
  text.split(',').flatMap((part) => {
    const [first = 0, last = first] = part.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });

/**
 * The cores that this process may use: the first for servers, the last for load.
 * @throws Error where processes cannot be bound to cores, because figures without that are not comparable.
 */
export const findCores = (): Cores => {
  if (process.platform !== 'linux') throw new Error('The bench needs Linux: it pins cores and reads /proc.');
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  const allowed = parseList(list);
  const [first = 0] = allowed;
  const last = allowed.at(-1) ?? first;
  if (first === last) throw new Error('The bench needs two cores: one for the server and one for the load.');
  try {
    execFileSync('taskset', ['--version'], { stdio: 'ignore' });
  } catch {
    throw new Error('The bench needs taskset, which is in the package util-linux.');
  }
  return { server: String(first), load: String(last), all: list, count: allowed.length };
};

/** Moves this process with all its threads, and hence what it starts from now on. */
export const moveTo = (cores: string): void => {
  execFileSync('taskset', ['-a', '-c', '-p', cores, String(process.pid)], { stdio: 'ignore' });
};
