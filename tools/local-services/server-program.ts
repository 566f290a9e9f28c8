import { hasApt } from './apt.ts';
import { debianProgram, type ServerPackage } from './debian-packages.ts';
import { findOnPath, type Program, programWorks } from './programs.ts';

/** Where a server comes from, for messages. */
export type Origin = 'environment' | 'path' | 'debian package' | 'docker compose';

/** A program found, or why there is none: one clause per route. */
export type FoundProgram =
  | { program: Program; origin: Origin; tried: readonly string[] }
  | { program: undefined; tried: readonly string[] };

const searches = new Map<ServerPackage, Promise<FoundProgram>>();

/** The server's program: the one on the path, else Debian's, unpacked into the cache. Searched once per process. */
export function serverProgram(name: ServerPackage): Promise<FoundProgram> {
  const search = searches.get(name) ?? find(name);
  searches.set(name, search);
  return search;
}

async function find(name: ServerPackage): Promise<FoundProgram> {
  const tried: string[] = [];
  const onPath = await findOnPath(name);
  if (onPath === undefined) {
    tried.push(`no ${name} on the path`);
  } else {
    const program = { command: onPath, env: {} };
    if (await programWorks(program)) {
      return { program, origin: 'path', tried };
    }
    tried.push(`${onPath} does not run`);
  }
  if (!(await hasApt())) {
    return { program: undefined, tried: [...tried, 'no apt-get to download packages with'] };
  }
  try {
    return { program: await debianProgram(name), origin: 'debian package', tried };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { program: undefined, tried: [...tried, `its Debian package could not be unpacked: ${why}`] };
  }
}
