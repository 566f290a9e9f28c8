/** Rows of the kits beside bare calls of the same gRPC library, all to the same server. Their CPU is the caller's. */
import { shareFrom } from '../metrics.ts';
import { latencyOf } from '../numbers.ts';
import { PERMISSION } from '../questions.ts';
import { lazy, type Row, type Sample } from '../row.ts';
import type { Load, Target } from '../rpc-row.ts';
import type { World } from '../world.ts';
import { startGoCaller, startTypeScriptCaller } from './callers.ts';
import type { Caller, CallerInput, Way } from './order.ts';

/** Checks at once in the rows that compare batching. */
export const CALLERS = 64;
const MIN_WARM_SECONDS = 0.2;
/** Of the decisions, for a row to be one of hits. */
const MIN_MEMORY_SHARE = 0.95;

/** The rows of both kits, in the order in which a round measures them. */
export function kitRows(world: World, target: () => Promise<Target>, load: Load): readonly Row[] {
  const input = async (): Promise<CallerInput> => ({
    address: (await target()).address,
    permission: PERMISSION,
    subjects: world.memberships(CALLERS),
  });
  const { cores, folder, stack } = load;
  const typeScript = lazy(async () => startTypeScriptCaller(cores, await input(), stack));
  const go = lazy(async () => startGoCaller(cores, await input(), folder, stack));
  return [
    ...rowsOf('ts', 'TypeScript', 'grpc-js', typeScript, target, load),
    ...rowsOf('go', 'Go', 'grpc-go', go, target, load),
  ];
}

function rowsOf(
  kit: 'ts' | 'go',
  language: string,
  library: string,
  caller: () => Promise<Caller>,
  target: () => Promise<Target>,
  load: Load,
): readonly Row[] {
  const row = (name: string, title: string, way: Way, callers: number): Row => {
    const measure = async (seconds: number): Promise<Sample> => {
      const { scrape } = await target();
      const program = await caller();
      const before = (await scrape?.()) ?? null;
      const { latencies, ...sample } = await program.measure({ way, callers, seconds });
      const after = (await scrape?.()) ?? null;
      const share = before === null || after === null ? 1 : shareFrom('memory', before, after);
      if (share < MIN_MEMORY_SHARE)
        throw new Error(`${name}: only ${(share * 100).toFixed(1)} % of the facts were hits`);
      return { ...sample, latency: callers === 1 ? latencyOf(latencies) : null };
    };
    return {
      name,
      title,
      openRps: null,
      decisions: 1,
      callers,
      question: null,
      start: async () => void (await measure(2 * load.seconds)),
      measure: async () => {
        await measure(Math.max(MIN_WARM_SECONDS, load.seconds / 5));
        return await measure(load.seconds);
      },
    };
  };
  return [
    row(`${library}/bare`, `a caller on bare ${library}`, 'bare', 1),
    row(`kit/${kit}/check`, `a caller by the kit for ${language}`, 'batched', 1),
    row(`kit/${kit}/check/unbatched`, 'the same without batching', 'unbatched', 1),
    row(`${library}/bare/${CALLERS}`, `${CALLERS} callers on bare ${library}`, 'bare', CALLERS),
    row(`kit/${kit}/${CALLERS}`, `${CALLERS} callers by the kit for ${language}`, 'batched', CALLERS),
    row(`kit/${kit}/${CALLERS}/unbatched`, 'the same without batching', 'unbatched', CALLERS),
  ];
}
