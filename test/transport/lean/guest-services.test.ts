/** What a service written for grpc-js is held to on the lean door. */
import { once } from 'node:events';
import { type ClientHttp2Stream, createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createGuestServices } from '../../../src/transport/lean/guest-services.ts';
import { answerOf, frame, send, withSession } from '../support/raw-call.ts';

const ANSWER = Buffer.alloc(32_000);
const QUESTIONS = 200;
let asked = 0;

const asIs = (bytes: Buffer): Buffer => bytes;
const definition: ServiceDefinition = {
  ask: {
    path: '/test/Ask',
    requestStream: true,
    responseStream: true,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  },
};
interface Call {
  on(event: 'data' | 'end', listener: () => void): Call;
  write(message: Buffer): void;
  end(): void;
}
const ask = (call: Call): void => {
  call
    .on('data', () => {
      asked += 1;
      call.write(ANSWER);
    })
    .on('end', () => call.end());
};

const guests = createGuestServices({ onRefused: () => {}, onDefect: () => {} });
guests.addService(definition, { ask } as unknown as UntypedServiceImplementation);
const server = createServer();
server.on('stream', (stream, headers) => guests.paths.get(String(headers[':path']))?.(stream, headers));
let url = '';
beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));
beforeEach(() => {
  asked = 0;
});

it.each([
  ['that goes on', true],
  ['that is whole', false],
])('a stream of questions %s is answered as fast as its caller reads, and then all of it', async (_what, open) => {
  await withSession(
    url,
    async (session) => {
      // All of them in one piece.
      const pieces = [Buffer.concat(Array.from({ length: QUESTIONS }, () => frame(Buffer.of(1))))];
      const stream: ClientHttp2Stream = send(session, { headers: { ':path': '/test/Ask' }, pieces, open });
      stream.pause();
      const answer = answerOf(stream);
      stream.pause();
      await once(stream, 'response');
      // Enough turns for all of it to be answered, if nobody looked whether it is read.
      for (let turn = 0; turn < 20; turn += 1) await new Promise<void>((resolve) => session.ping(() => resolve()));
      expect(asked).toBeLessThan(10);
      stream.resume();
      if (open) stream.end();
      const { status, body } = await answer;
      expect([status, body.length, asked]).toEqual(['0', QUESTIONS * (5 + ANSWER.length), QUESTIONS]);
    },
    { settings: { initialWindowSize: 1_000 } },
  );
});
