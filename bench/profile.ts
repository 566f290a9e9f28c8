/** A V8 CPU profile of Assent while it answers from memory, and where its own time goes. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

const profileSchema = z.object({
  nodes: z.array(
    z.object({
      id: z.number(),
      callFrame: z.object({ functionName: z.string(), url: z.string(), lineNumber: z.number() }),
    }),
  ),
  samples: z.array(z.number()),
  timeDeltas: z.array(z.number()),
});

/** A function's own time. */
export interface SelfTime {
  readonly where: string;
  readonly micros: number;
  /** Of the time in which the process did something. */
  readonly share: number;
}

const ROOT = fileURLToPath(new URL('..', import.meta.url));

const nameOf = ({
  functionName,
  url,
  lineNumber,
}: z.infer<typeof profileSchema>['nodes'][number]['callFrame']): string => {
  const name = functionName === '' ? '(anonymous)' : functionName;
  if (url === '') return name;
  const file = url.startsWith('file:') ? relative(ROOT, fileURLToPath(url)) : url;
  return `${name} ${file}:${lineNumber + 1}`;
};

/**
 * The functions by their own time, the longest first.
 * @param lastMicros Only so much of the profile's end: what comes before is the start.
 */
export const selfTimes = (json: string, lastMicros: number): readonly SelfTime[] => {
  const { nodes, samples, timeDeltas } = profileSchema.parse(JSON.parse(json));
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const all = timeDeltas.reduce((sum, delta) => sum + delta, 0);
  const times = new Map<string, number>();
  let at = 0;
  for (const [index, id] of samples.entries()) {
    const delta = timeDeltas[index] ?? 0;
    at += delta;
    const name = names.get(id) ?? '';
    if (at < all - lastMicros || name === '(idle)') continue;
    times.set(name, (times.get(name) ?? 0) + delta);
  }
  const busy = [...times.values()].reduce((sum, micros) => sum + micros, 0);
  return [...times]
    .map(([where, micros]) => ({ where, micros, share: micros / busy }))
    .sort((a, b) => b.micros - a.micros);
};

/** Sums own time by package and by file of ours. */
export const byModule = (times: readonly SelfTime[]): readonly SelfTime[] => {
  const sums = new Map<string, { micros: number; share: number }>();
  for (const { where, micros, share } of times) {
    const file = /^.* (\S+):\d+$/.exec(where)?.[1];
    const pack = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file ?? '')?.[1];
    const name = pack ?? file ?? where;
    const sum = sums.get(name) ?? { micros: 0, share: 0 };
    sums.set(name, { micros: sum.micros + micros, share: sum.share + share });
  }
  return [...sums].map(([where, sum]) => ({ where, ...sum })).sort((a, b) => b.micros - a.micros);
};

/**
 * Runs a server with --cpu-prof.
 * @param use Gets the flags for node; must end with the server stopped in good order, which writes the profile.
 * @param target Where the profile is kept.
 */
export const profiled = async (
  target: string,
  use: (nodeArgs: readonly string[]) => Promise<void>,
): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'assent-profile-'));
  try {
    await use(['--cpu-prof', '--cpu-prof-interval=200', `--cpu-prof-dir=${folder}`]);
    const [file] = await readdir(folder);
    if (file === undefined) throw new Error('node wrote no profile');
    const text = await readFile(join(folder, file), 'utf8');
    await writeFile(target, text);
    return text;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};
