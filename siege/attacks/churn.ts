/** Connections that are made for one refused call each: bounds of a connection do not concern them. */
import { callHeaders, clientHello } from '../../tools/network/http2-frames.ts';
import { CHECK, grpcCall } from '../requests.ts';
import type { Attack } from '../scenario.ts';
import { ATTACKER_ADDRESSES, attackInLanes, streamEnds } from '../wire.ts';

const CONNECTIONS = 100;

export const churn: Attack = {
  name: 'churn',
  title: `connections for one refused call each, ${CONNECTIONS} at a time, from ${ATTACKER_ADDRESSES} addresses`,
  kind: 'strangers',
  run: (target, tally) =>
    attackInLanes(target, tally, CONNECTIONS, async ({ open }) => {
      const answered = Promise.withResolvers<void>();
      const onData = streamEnds(() => {
        tally.answered += 1;
        answered.resolve();
      });
      const hello = Buffer.concat([clientHello(), grpcCall(1, callHeaders(CHECK), Buffer.alloc(0))]);
      tally.sent += 1;
      const wire = await open({ port: target.grpcPort, address: tally.sent, hello, onData });
      if (wire === null) return null;
      await Promise.race([answered.promise, wire.ended]);
      wire.leave();
      return wire;
    }),
};
