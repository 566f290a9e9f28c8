/** Scrapes without a token, many in one piece, whose answers are not waited for. */
import { http1Request } from '../requests.ts';
import type { Attack } from '../scenario.ts';
import { attackInLanes, flood } from '../wire.ts';

const CONNECTIONS = 10;
const AT_ONCE = 100;

/** The answers are read. */
export const metricsPipelined: Attack = metrics('metrics-pipelined', true);
/** The answers are not read, and wait in the service. */
export const metricsUnread: Attack = metrics('metrics-unread', false);

function metrics(name: string, reads: boolean): Attack {
  return {
    name,
    title: `pipelined requests for /metrics${reads ? '' : ' whose answers are not read'}, on ${CONNECTIONS} connections`,
    kind: 'strangers',
    run: (target, tally) =>
      attackInLanes(target, tally, CONNECTIONS, async (lanes, index) => {
        const wire = await lanes.open({ port: target.httpPort, address: index, hello: Buffer.alloc(0), reads });
        if (wire === null) return null;
        const bytes = Buffer.concat(Array.from({ length: AT_ONCE }, () => http1Request('GET', '/metrics')));
        await flood(lanes, wire, () => ({ bytes, count: AT_ONCE }));
        return wire;
      }),
  };
}
