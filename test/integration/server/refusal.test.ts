/** The name of the caller that a handler has, and the delay before a retry in a refusal. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { grpcClient } from '../../support/protocol-clients/grpc.ts';
import { connectClient, grpcWebClient } from '../../support/protocol-clients/http.ts';
import { answerOf, CHECK, check, frame, send, withSession } from '../../support/server/raw-call.ts';
import { callersWith, openServer } from '../../support/server/test-server.ts';

const open = async (name: 'grpc' | 'http') => {
  const server = await openServer(name, { authenticate: callersWith('right') });
  onTestFinished(() => server.stop(100));
  return server;
};
const RIGHT = { authorization: 'Bearer right' };

describe.each([
  ['gRPC', 'grpc', grpcClient, 'address'],
  ['Connect', 'http', connectClient, 'url'],
  ['gRPC-Web', 'http', grpcWebClient, 'url'],
] as const)('a handler of a call by %s', (_protocol, name, clientOf, where) => {
  it('the handler has the name of the caller', async () => {
    const server = await open(name);
    const client = clientOf(server[where]);
    onTestFinished(() => client.close());
    await client.call('CheckPermission', { permission: 'a:b' }, { metadata: RIGHT });
    expect(server.callers).toEqual(['test']);
  });
});

it('a refusal names the delay before a retry: gRPC in a trailer, HTTP in seconds', async () => {
  const server = await open('http');
  const response = await fetch(`${server.url}${CHECK}`, {
    method: 'POST',
    headers: { ...RIGHT, 'content-type': 'application/json' },
    body: '{"permission":"overloaded:now"}',
  });
  expect([response.status, response.headers.get('retry-after')]).toEqual([429, '1']);
  const { headers } = await withSession(server.url, (session) =>
    answerOf(send(session, { headers: RIGHT, pieces: [frame(check('overloaded:now'))] })),
  );
  expect(headers).toMatchObject({ 'grpc-status': '8', 'grpc-retry-pushback-ms': '100' });
});
