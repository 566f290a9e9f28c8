/** Connections that say nothing, and connections that greet and say nothing more. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Attack } from '../scenario.ts';
import { attackInLanes } from '../wire.ts';

const CONNECTIONS = 6_000;
/** Made in the first second, one after the other: thousands of attempts at once run into their time on a busy machine. */
const BEGIN_MS = 1_000;
/** Silent at the gRPC address, greeting there, and silent at the HTTP address. */
const FORMS = 3;

/** From one address. */
export const idleConnections: Attack = idle('idle-connections', 1);
/** From two hundred addresses, none of which has many. */
export const idleEverywhere: Attack = idle('idle-everywhere', 200);

function idle(name: string, addresses: number): Attack {
  return {
    name,
    title: `${CONNECTIONS} idle connections from ${addresses} address${addresses === 1 ? '' : 'es'}`,
    kind: 'strangers',
    run: (target, tally) =>
      attackInLanes(target, tally, CONNECTIONS, async ({ open }, index) => {
        if (tally.opened < CONNECTIONS) await delay((index / CONNECTIONS) * BEGIN_MS);
        const form = index % FORMS;
        const port = form === 2 ? target.httpPort : target.grpcPort;
        const address = index % addresses;
        return open(form === 1 ? { port, address } : { port, address, hello: Buffer.alloc(0) });
      }),
  };
}
