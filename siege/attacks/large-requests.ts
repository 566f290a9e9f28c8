/** Requests of a known caller that cost much: messages that grow when they are decompressed, JSON that is deeply nested. */
import { gzipSync } from 'node:zlib';
import { callHeaders, END_HEADERS, END_STREAM, FRAME, http2Frame } from '../../tools/network/http2-frames.ts';
import { CHECK, callWithToken, grpcMessage, HEALTH, http1Request } from '../requests.ts';
import type { Attack, Target } from '../scenario.ts';
import { attackInLanes, flood, type Lanes, streamEnds, type Wire } from '../wire.ts';

/** Just under the bound of a message; compressed it is just under 4 KiB. */
const MESSAGE_BYTES = 4 * 1_024 * 1_024 - 16_384;
const CONNECTIONS = 2;
const STRANGERS = 10;
/** Together as many bytes as a connection may send before the service opens the window further. */
const IN_FLIGHT = 12;
const NESTED = 2_000_000;
const GZIP = { 'grpc-encoding': 'gzip' };

/** By a stranger, to Health. */
export const gzipStranger: Attack = gzip('gzip-health', STRANGERS, 'strangers', () => callHeaders(HEALTH, GZIP));

/** By a caller. */
export const gzipCaller: Attack = gzip('gzip-check', CONNECTIONS, 'callers', ({ token }) =>
  callWithToken(CHECK, token, GZIP),
);

export const nestedJson: Attack = {
  name: 'nested-json',
  title: `JSON of ${(NESTED / 1e6).toFixed(0)} million nested arrays by a caller, on ${CONNECTIONS} connections`,
  kind: 'callers',
  run: (target, tally) =>
    attackInLanes(target, tally, CONNECTIONS, async (lanes, index) => {
      const body = `{"userId":${'['.repeat(NESTED)}${']'.repeat(NESTED)}}`;
      const headers = {
        authorization: `Bearer ${target.token}`,
        'content-type': 'application/json',
        'content-length': String(body.length),
      };
      const request = http1Request('POST', CHECK, headers, body);
      let answered = 0;
      let wake = (): void => {};
      const onData = (): void => {
        answered += 1;
        tally.answered += 1;
        wake();
      };
      const wire = await lanes.open({ port: target.httpPort, address: index, hello: Buffer.alloc(0), onData });
      while (wire?.isOpen() && !lanes.over()) {
        const before = answered;
        tally.sent += 1;
        await wire.write(request);
        const answer = new Promise<void>((resolve) => {
          wake = resolve;
        });
        if (answered === before) await Promise.race([answer, wire.ended]);
      }
      return wire;
    }),
};

function gzip(name: string, connections: number, kind: Attack['kind'], headers: (target: Target) => Buffer): Attack {
  return {
    name,
    title: `messages of 4 KB that grow to 4 MB, by ${kind === 'callers' ? 'a caller' : 'strangers'}, on ${connections} connections`,
    kind,
    run: (target, tally) => {
      const message = grpcMessage(gzipSync(Buffer.alloc(MESSAGE_BYTES)), true);
      return attackInLanes(target, tally, connections, (lanes, index) =>
        compressedCalls(lanes, index, headers(target), message),
      );
    },
  };
}

async function compressedCalls(lanes: Lanes, index: number, block: Buffer, message: Buffer): Promise<Wire | null> {
  const { target, tally } = lanes;
  let inFlight = 0;
  const onData = streamEnds(() => {
    tally.answered += 1;
    inFlight -= 1;
  });
  const wire = await lanes.open({ port: target.grpcPort, address: index, onData });
  if (wire === null) return null;
  let stream = 1;
  await flood(lanes, wire, () => {
    const room = Math.max(0, IN_FLIGHT - inFlight);
    const frames: Buffer[] = [];
    for (let count = 0; count < room; count += 1) {
      frames.push(http2Frame(FRAME.HEADERS, END_HEADERS, stream, block));
      frames.push(http2Frame(FRAME.DATA, END_STREAM, stream, message));
      stream += 2;
    }
    inFlight += room;
    return { bytes: Buffer.concat(frames), count: room };
  });
  return wire;
}
