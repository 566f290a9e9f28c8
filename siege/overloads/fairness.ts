/** Single checks beside two callers of cold batches. */
import { atRate, inFlight, startLoad } from '../load-process.ts';
import { atMost, noted, type Overload } from '../overload.ts';
import { CHECK } from '../requests.ts';
import { startService } from '../service.ts';
import { coldBatch, coldCheck } from './messages.ts';
import { withDistance } from './misses.ts';

const RTT_MS = 20;
const RATE = 50;
const BATCH = 500;
const BATCH_PATH = '/assent.auth.v1.AuthService/BatchCheckPermissions';
const BATCH_DEADLINE_MS = 10_000;
/** The batches are under way before the checks begin. */
const HEAD_START_MS = 500;

export const fairness: Overload = {
  name: 'fairness',
  title: `${RATE} cold checks a second beside two callers of cold batches of ${BATCH}, PostgreSQL at ${RTT_MS} ms`,
  kind: 'fairness',
  run: async (world, { seconds, cores, main }, stack) => {
    const environment = await withDistance(world, RTT_MS, stack);
    const service = stack.adopt(await startService(environment, cores?.server ?? null, main), (one) => one.stop());
    const start = () => stack.adopt(startLoad(cores?.load ?? null), (one) => one.stop());
    const single = start();
    const batches = [start(), start()] as const;
    const common = { port: service.grpcPort, connections: 1 };
    const checks = { ...common, path: CHECK, token: world.token('honest'), message: coldCheck(), deadlineMs: 1_000 };
    await single.run({ ...checks, parts: [atRate(RATE * 4, 1)] });
    const [alone] = await single.run({ ...checks, parts: [atRate(RATE, seconds)] });
    const large = { ...common, path: BATCH_PATH, message: coldBatch(BATCH), deadlineMs: BATCH_DEADLINE_MS };
    const parts = [inFlight(1, seconds + (2 * HEAD_START_MS) / 1_000)];
    const under = batches.map((batch, index) => {
      return batch.run({ ...large, token: world.token(index === 0 ? 'a' : 'b'), parts });
    });
    await new Promise((resolve) => setTimeout(resolve, HEAD_START_MS));
    const [beside] = await single.run({ ...checks, parts: [atRate(RATE, seconds)] });
    const answered = (await Promise.all(under)).flat().reduce((sum, { perSecond }) => sum + perSecond, 0);
    if (alone === undefined || beside === undefined) throw new Error('the load has no result');
    return [
      noted('p99 alone', alone.p99Ms, 'ms'),
      noted('p99 beside', beside.p99Ms, 'ms'),
      noted('batches answered', answered, 'calls/s'),
      atMost('failed checks', beside.failed, 'calls', 0),
      atMost('p99 beside, over alone', beside.p99Ms / alone.p99Ms, 'times', 3),
    ];
  },
};
