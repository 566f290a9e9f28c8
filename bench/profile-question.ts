/** `--profile`: one row under full load. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startAssent } from './assent.ts';
import type { Cores } from './cores.ts';
import { byModule, profiled, type SelfTime, selfTimes } from './profile.ts';
import { frame, type Question } from './questions.ts';
import { askEach } from './rpc-client.ts';
import type { Load } from './rpc-row.ts';
import type { World } from './world.ts';

const WARM_SECONDS = 4;
const LOAD_SECONDS = 6;
/** Between NOT_SERVING and the end of the process, in which it is idle, which does not count. */
const STOP_SECONDS = 1.2;
const SHOWN = 40;

const list = (times: readonly SelfTime[], requests: number): string =>
  times
    .slice(0, SHOWN)
    .map(({ where, micros, share }) =>
      [`${(share * 100).toFixed(1)}%`.padStart(6), `${(micros / requests).toFixed(2)} us`.padStart(9), where].join(
        '  ',
      ),
    )
    .join('\n');

/**
 * Profiles Assent while it answers one question again and again.
 * @param file Where the profile goes, for the browser's developer tools.
 * @returns Text: own time by function and by package, with microseconds a request. Profiling itself costs some.
 */
export const profileQuestion = async (
  question: Question,
  world: World,
  cores: Cores,
  load: Load,
  file: string,
): Promise<string> => {
  const bodyFile = join(load.folder, 'profile.body');
  await writeFile(bodyFile, frame(question.body));
  let requests = 1;
  const text = await profiled(file, async (nodeArgs) => {
    const assent = await startAssent(cores.server, world.environment, nodeArgs);
    const request = { address: assent.grpcAddress, path: question.path, bodyFile };
    await askEach(assent.grpcAddress, [question]);
    await load.h2load.warm(request, WARM_SECONDS);
    requests = (await load.h2load.warm(request, LOAD_SECONDS)).requests;
    await assent.stop();
  });
  const times = selfTimes(text, (LOAD_SECONDS + STOP_SECONDS) * 1e6);
  return [
    `own time by function, over ${requests} requests of ${question.path}`,
    list(times, requests),
    '',
    'own time by package and file',
    list(byModule(times), requests),
    '',
    '',
  ].join('\n');
};
