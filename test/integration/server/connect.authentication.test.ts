/** A caller without a token is refused by the headers alone, in the protocol that it speaks. */
import { once } from 'node:events';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { answerOf, CHECK, check, frame, send, withSession } from '../../support/server/raw-call.ts';
import { callersWith, openServer, type TestServer } from '../../support/server/test-server.ts';

const RIGHT = { authorization: 'Bearer right' };

let server: TestServer;
let url = '';
let traced: number[];

beforeEach(async () => {
  traced = [];
  server = await openServer('http', {
    authenticate: callersWith('right'),
    traceCall: () => (code) => traced.push(code),
  });
  ({ url } = server);
});
afterEach(() => server.stop(100));

const PROTOCOLS = [
  ['JSON', 'application/json', Buffer.from('{"permission":"a:b"}')],
  ['Connect', 'application/proto', Buffer.from(check('a:b'))],
  ['gRPC-Web', 'application/grpc-web+proto', frame(check('a:b'))],
] as const;

/** What an answer says, in whichever protocol: its status in HTTP and everything else of it. */
interface Counted {
  readonly http: unknown;
  readonly all: string;
}

/** Checks that a call was refused and counted. */
const expectRefused = ({ http, all }: Counted, type: string): void => {
  const grpc = type.startsWith('application/grpc');
  expect(http).toBe(grpc ? 200 : 401);
  if (grpc) expect(all).toMatch(/grpc-status"?: ?"?16/);
  else expect(all).toContain('"code":"unauthenticated"');
  expect(all).toContain('The caller is not authenticated');
};

describe.each([...PROTOCOLS, ['gRPC', 'application/grpc', frame(check('a:b'))] as const])(
  'a call by %s without a token, whose message never ends',
  (_name, type, message) => {
    it('a call without a token is refused over HTTP/2, and others on its connection are not', async () => {
      await withSession(url, async (session) => {
        const headers = { 'content-type': type };
        const pieces = [message.subarray(0, message.length - 2)];
        const { headers: got, body, trailers } = await answerOf(send(session, { headers, pieces, open: true }));
        const all = decodeURIComponent(JSON.stringify({ ...got, ...trailers })) + decodeURIComponent(body.toString());
        expectRefused({ http: got[':status'], all }, type);
        const good = await answerOf(send(session, { headers: { ...headers, ...RIGHT }, pieces: [message] }));
        expect(good.headers[':status']).toBe(200);
      });
      expect([server.counted, traced]).toEqual([
        [16, 0],
        [16, 0],
      ]);
      expect(server.asked).toEqual(['a:b']);
      expect(server.defects).toEqual([]);
    });
  },
);

describe.each(PROTOCOLS)('a call by %s over HTTP/1.1 without a token', (_name, type, message) => {
  it('a call without a token is refused over HTTP/1.1 though its message never ends', async () => {
    const sent = request(`${url}${CHECK}`, { method: 'POST', headers: { 'content-type': type } });
    sent.on('error', () => {});
    sent.write(message.subarray(0, message.length - 2));
    const [response] = await once(sent, 'response');
    const all = decodeURIComponent(await text(response));
    expectRefused({ http: response.statusCode, all }, type);
    sent.destroy();
    const good = await fetch(`${url}${CHECK}`, {
      method: 'POST',
      headers: { 'content-type': type, ...RIGHT },
      body: message,
    });
    expect(good.status).toBe(200);
    expect([server.counted, traced]).toEqual([
      [16, 0],
      [16, 0],
    ]);
    expect(server.asked).toEqual(['a:b']);
    expect(server.defects).toEqual([]);
  });
});
