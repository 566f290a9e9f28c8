/** Calls that are refused, again and again, as fast as they are answered. */
import { callHeaders, clientHello } from '../../tools/network/http2-frames.ts';
import { CHECK, callWithToken, grpcCall, HEALTH, http1Request, jsonHeaders } from '../requests.ts';
import type { Attack, Target } from '../scenario.ts';
import { attackInLanes, type Lanes, streamEnds, type Wire } from '../wire.ts';

const CONNECTIONS = 20;
/** The calls in flight on a connection. */
const IN_FLIGHT = 50;
const MAX_STREAM = 2 ** 31 - 1;

export const refusedCalls: readonly Attack[] = [
  refused('refused-no-token', 'gRPC calls without a token', 'grpcPort', () => callHeaders(CHECK)),
  refused('refused-wrong-token', 'gRPC calls with a wrong token', 'grpcPort', () => callWithToken(CHECK, 'wrong')),
  refused('unknown-methods', 'gRPC calls of methods that do not exist', 'grpcPort', () => callHeaders('/nothing/Here')),
  refused('health-calls', 'calls of Health', 'grpcPort', () => callHeaders(HEALTH)),
  refused('refused-http-grpc', 'gRPC calls without a token at the HTTP address', 'httpPort', () => callHeaders(CHECK)),
  refused('refused-json', 'JSON calls without a token over HTTP/2', 'httpPort', () => jsonHeaders(CHECK)),
  {
    name: 'refused-http1',
    title: `JSON calls without a token over HTTP/1.1 in a loop, ${CONNECTIONS} connections`,
    kind: 'strangers',
    run: (target, tally) => attackInLanes(target, tally, CONNECTIONS, pipelinedHttp1),
  },
];

function refused(
  name: string,
  what: string,
  port: 'grpcPort' | 'httpPort',
  headers: (target: Target) => Buffer,
): Attack {
  return {
    name,
    title: `${what} in a loop, ${CONNECTIONS} connections`,
    kind: 'strangers',
    run: (target, tally) =>
      attackInLanes(target, tally, CONNECTIONS, (lanes, index) =>
        callsInALoop(lanes, { port: target[port], address: index, block: headers(target) }),
      ),
  };
}

/** Keeps calls in flight until the connection or the time is over. */
export async function callsInALoop(
  { open, over, tally }: Lanes,
  { port, address, block }: { readonly port: number; readonly address: number; readonly block: Buffer },
): Promise<Wire | null> {
  let stream = 1;
  let wire: Wire | null = null;
  const send = (count: number): void => {
    if (wire === null || over() || stream + 2 * count > MAX_STREAM) return;
    const calls: Buffer[] = [];
    for (let index = 0; index < count; index += 1) {
      calls.push(grpcCall(stream, block, Buffer.alloc(0)));
      stream += 2;
    }
    tally.sent += count;
    void wire.write(Buffer.concat(calls));
  };
  let answered = 0;
  const onEnd = streamEnds(() => {
    answered += 1;
  });
  const onData = (piece: Buffer): void => {
    answered = 0;
    onEnd(piece);
    tally.answered += answered;
    if (answered > 0) send(answered);
  };
  wire = await open({ port, address, hello: clientHello(), onData });
  send(IN_FLIGHT);
  return wire;
}

async function pipelinedHttp1({ open, over, tally, target }: Lanes, index: number): Promise<Wire | null> {
  const request = http1Request('POST', CHECK, { 'content-type': 'application/json', 'content-length': '2' }, '{}');
  let wire: Wire | null = null;
  const onData = (piece: Buffer): void => {
    const answers = piece.toString('latin1').split('HTTP/1.1 ').length - 1;
    tally.answered += answers;
    if (wire === null || over()) return;
    tally.sent += answers;
    if (answers > 0) void wire.write(Buffer.concat(Array.from({ length: answers }, () => request)));
  };
  wire = await open({ port: target.httpPort, address: index, hello: Buffer.alloc(0), onData });
  if (wire === null) return null;
  tally.sent += IN_FLIGHT;
  await wire.write(Buffer.concat(Array.from({ length: IN_FLIGHT }, () => request)));
  return wire;
}
