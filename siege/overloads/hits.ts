/** Answers from memory by a service that gets a share of a core. */
import { startChild } from '../../bench/child.ts';
import { inFlight, startLoad } from '../load-process.ts';
import { atLeast, atMost, noted, type Overload } from '../overload.ts';
import { CHECK } from '../requests.ts';
import { startService } from '../service.ts';
import { bestOf, overload } from './goodput.ts';

const CONNECTIONS = 16;
const DEADLINE_MS = 1_000;
const IN_FLIGHT = 64;
/** A nice value of 10 beside a busy process of 0 is a weight of 110 beside 1,024: a tenth of the core (sched(7)). */
const NICE = 10;

export const hits: Overload = {
  name: 'hits',
  title: 'hits in memory at 1.5 and 3 times the best, by a service that gets a share of a core',
  kind: 'overload',
  run: async (world, { seconds, cores, main }, stack) => {
    if (cores === null) throw new Error('hits needs processes that are bound to cores: a share of one is taken away.');
    const service = stack.adopt(await startService(world.environment, cores.server, main), (one) => one.stop());
    const load = stack.adopt(startLoad(cores.load), (one) => one.stop());
    const [question] = world.questions;
    const plan = {
      ...{ port: service.grpcPort, path: CHECK, token: world.token('a') },
      ...{ message: { body: question?.body ?? '', idsAt: [] }, connections: CONNECTIONS, deadlineMs: DEADLINE_MS },
    };
    await bestOf(load, plan, 1);
    stack.adopt(startChild(cores.server, '../siege/busy.ts', []), (one) => one.stop());
    service.nice(NICE);
    const best = await bestOf(load, plan, seconds);
    const cpu = service.cpu();
    const began = performance.now();
    await load.run({ ...plan, parts: [inFlight(IN_FLIGHT, seconds)] });
    const share = (service.cpu() - cpu) / 1_000 / (performance.now() - began);
    const more = await overload(load, plan, seconds, 1.5, best);
    const most = await overload(load, plan, seconds, 3, best);
    return [
      noted('best', best.perSecond, 'calls/s'),
      noted('share of the core', share * 100, '%'),
      atLeast('goodput at 1.5 times', (more.perSecond / best.perSecond) * 100, '%', 70),
      atMost('back after it', more.backMs, 'ms', 1_000),
      atLeast('goodput at 3 times', (most.perSecond / best.perSecond) * 100, '%', 50),
      atMost('p99 of answered calls', most.p99Ms, 'ms', 250),
      atMost('back to normal', most.backMs, 'ms', 1_000),
    ];
  },
};
