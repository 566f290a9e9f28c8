/** A caller whose answers take long, beside another caller. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { ClientHttp2Session } from 'node:http2';
import { connect } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { createAuthority } from '../../../tools/network/certificates.ts';
import { answerOf, CHECK, check, frame, send, withSession } from '../../support/server/raw-call.ts';
import { openServer, type TestServer, type TestServerOptions } from '../../support/server/test-server.ts';

/** Calls that take a millisecond each. */
const CALLS = 100;
/** A header that no table compresses: the calls are several reads of a socket, of 64 KB each. */
const padding = (): string => randomBytes(2_000).toString('hex');

const open = async (...of: Parameters<typeof openServer>): Promise<TestServer> => {
  const server = await openServer(...of);
  onTestFinished(() => server.stop(1_000));
  return server;
};

const busy = ({ asked }: TestServer): number => asked.filter((permission) => permission.startsWith('busy')).length;

const call = (session: ClientHttp2Session, permission: string, headers: Record<string, string> = {}) =>
  answerOf(send(session, { headers, pieces: [frame(check(permission))] }));

const tls = { ...createAuthority('authority').issue('server'), clientCa: null };
const PLACES: readonly (readonly [string, 'grpc' | 'http', TestServerOptions])[] = [
  ['on the gRPC address', 'grpc', {}],
  ['on the HTTP address', 'http', {}],
  ['over TLS', 'grpc', { tls }],
];

it.each(PLACES)('%s a call is answered between the long answers of another connection', async (_, name, options) => {
  const server = await open(name, options);
  const trust = { rejectUnauthorized: false };
  await withSession(
    server.url,
    (heavy) =>
      withSession(
        server.url,
        async (light) => {
          await Promise.all([call(heavy, 'now:1'), call(light, 'now:1')]);
          const all = Array.from({ length: CALLS }, () => call(heavy, 'busy:1', { 'x-padding': padding() }));
          expect((await call(light, 'now:2')).status).toBe('0');
          expect(busy(server)).toBeLessThan(CALLS / 4);
          expect(new Set((await Promise.all(all)).map(({ status }) => status))).toEqual(new Set(['0']));
        },
        trust,
      ),
    trust,
  );
});

it('a call is answered between the long answers of a connection that pipelines', async () => {
  const server = await open('http');
  const json = (permission: string, more = ''): string => {
    const body = JSON.stringify({ permission });
    const head = `POST ${CHECK} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n`;
    return `${head}${more}content-length: ${body.length}\r\n\r\n${body}`;
  };
  const dial = async () => {
    const socket = connect(server.port, '127.0.0.1').on('error', () => {});
    onTestFinished(() => void socket.destroy());
    socket.write(json('now:1'));
    await once(socket, 'data');
    return socket;
  };
  const [heavy, light] = await Promise.all([dial(), dial()]);
  heavy.resume();
  heavy.write(Array.from({ length: CALLS }, () => json('busy:1', `x-padding: ${padding()}\r\n`)).join(''));
  light.write(json('now:2'));
  expect(String((await once(light, 'data'))[0])).toMatch(/^HTTP\/1\.1 200 /);
  expect(busy(server)).toBeLessThan(CALLS / 4);
});
