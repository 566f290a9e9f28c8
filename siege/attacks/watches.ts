/** Watches of Health: one on a connection is a client's right, thousands are not. */
import { callHeaders, clientHello } from '../../tools/network/http2-frames.ts';
import { grpcCall, WATCH } from '../requests.ts';
import type { Attack } from '../scenario.ts';
import { attackInLanes, streamEnds } from '../wire.ts';

const CONNECTIONS = 20;
const STREAMS = 990;

export const watches: Attack = {
  name: 'watches',
  title: `${STREAMS} watches of Health on each of ${CONNECTIONS} connections`,
  kind: 'strangers',
  run: (target, tally) =>
    attackInLanes(target, tally, CONNECTIONS, async ({ open, over }, index) => {
      const onData = streamEnds(() => {
        tally.answered += 1;
      });
      const wire = await open({ port: target.grpcPort, address: index, hello: clientHello(), onData });
      if (wire === null) return null;
      const headers = callHeaders(WATCH);
      for (let number = 0; number < STREAMS && !over(); number += 1) {
        if (!(await wire.write(grpcCall(number * 2 + 1, headers, Buffer.alloc(0))))) break;
        tally.sent += 1;
      }
      return wire;
    }),
};
