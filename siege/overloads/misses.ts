/** Reads of PostgreSQL at three times what it answers, at a distance that a proxy makes. */
import { startProxy, through } from '../../tools/network/proxy.ts';
import { startLoad } from '../load-process.ts';
import { atLeast, atMost, noted, type Overload } from '../overload.ts';
import { CHECK } from '../requests.ts';
import { startService } from '../service.ts';
import type { SiegeWorld } from '../world.ts';
import { bestOf, overload } from './goodput.ts';
import { coldCheck } from './messages.ts';

const CONNECTIONS = 16;
const DEADLINE_MS = 1_000;
const TIMES = 3;

export const misses: readonly Overload[] = [
  missesAt(0, { goodput: 70, p99Ms: 250 }),
  missesAt(20, { goodput: 80, p99Ms: 250 }),
  missesAt(200, { goodput: 80, p99Ms: 600 }),
];

function missesAt(rttMs: number, bounds: { readonly goodput: number; readonly p99Ms: number }): Overload {
  return {
    name: `misses-${rttMs}`,
    title: `misses at ${TIMES} times the best, PostgreSQL at ${rttMs === 0 ? 'no distance' : `a round trip of ${rttMs} ms`}`,
    kind: 'overload',
    run: async (world, { seconds, cores, main }, stack) => {
      const environment = await withDistance(world, rttMs, stack);
      const service = stack.adopt(await startService(environment, cores?.server ?? null, main), (one) => one.stop());
      const load = stack.adopt(startLoad(cores?.load ?? null), (one) => one.stop());
      const plan = {
        ...{ port: service.grpcPort, path: CHECK, token: world.token('a'), message: coldCheck() },
        ...{ connections: CONNECTIONS, deadlineMs: DEADLINE_MS },
      };
      const best = await bestOf(load, plan, seconds);
      const over = await overload(load, plan, seconds, TIMES, best);
      return [
        noted('best', best.perSecond, 'calls/s'),
        atLeast(`goodput at ${TIMES} times`, (over.perSecond / best.perSecond) * 100, '%', bounds.goodput),
        atMost('p99 of answered calls', over.p99Ms, 'ms', bounds.p99Ms),
        atMost('back to normal', over.backMs, 'ms', 1_000),
      ];
    },
  };
}

/** The environment with PostgreSQL at a distance and without Redis, so that every miss is a read. */
export async function withDistance(
  { environment }: SiegeWorld,
  rttMs: number,
  stack: AsyncDisposableStack,
): Promise<Readonly<Record<string, string>>> {
  const url = environment['DATABASE_URL'] ?? '';
  if (rttMs === 0) return { ...environment, REDIS_URL: '' };
  const proxy = stack.adopt(await startProxy(Number(new URL(url).port)), (one) => one.close());
  proxy.setDelay(rttMs / 2);
  return { ...environment, REDIS_URL: '', DATABASE_URL: through(url, proxy) };
}
