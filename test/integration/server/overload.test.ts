/** Calls that come faster than they can be answered. The handler for `busy:<ms>` holds the event loop. */
import { setImmediate as turn } from 'node:timers/promises';
import { fromBinary } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { RetryInfoSchema } from '../../../gen/google/rpc/error_details_pb.ts';
import { StatusSchema } from '../../../gen/google/rpc/status_pb.ts';
import { answerOf, check, frame, type RawAnswer, send, withSession } from '../../support/server/raw-call.ts';
import { GRPC_SERVERS, openServer, type TestServer } from '../../support/server/test-server.ts';
import { until } from '../../support/until.ts';

const OVERLOADED = '8';
const BUSY = [frame(check('busy:4'))];
const HEALTH = { ':path': '/grpc.health.v1.Health/Check' };

describe.each(GRPC_SERVERS)('more calls than the %s address can answer', (name) => {
  let server: TestServer;
  beforeEach(async () => {
    server = await openServer(name);
  });
  afterEach(() => server.stop(100));

  /** Sends 40 calls, of 4 ms each, in each turn of the event loop, until `done`; then waits for their answers. */
  const flood = async (done: (answers: readonly RawAnswer[]) => boolean): Promise<readonly RawAnswer[]> =>
    withSession(server.url, async (session) => {
      const answers: RawAnswer[] = [];
      const failed: unknown[] = [];
      let sent = 0;
      const ask = async (headers = {}, pieces: readonly Buffer[] = BUSY): Promise<void> => {
        sent += 1;
        await answerOf(send(session, { headers, pieces })).then(
          (answer) => answers.push(answer),
          (error: unknown) => failed.push(error),
        );
      };
      while (!done(answers)) {
        for (let call = 0; call < 40 && sent - answers.length - failed.length < 200; call += 1) void ask();
        void ask(HEALTH, [frame(Buffer.alloc(0))]);
        await turn();
      }
      await until('all answers', () => answers.length + failed.length === sent);
      return answers;
    });
  const isRefused = ({ status }: RawAnswer): boolean => status === OVERLOADED;

  it('late calls are refused with the time of a retry, and health is answered', async () => {
    const answers = await flood((some) => some.filter(isRefused).length > 40);
    const refused = answers.filter(isRefused);
    const { headers } = refused[0] ?? {};
    expect(headers?.['grpc-retry-pushback-ms']).toBe('1000');
    const bytes = Buffer.from(String(headers?.['grpc-status-details-bin']), 'base64');
    const details = fromBinary(StatusSchema, bytes).details.map(({ typeUrl }) => typeUrl.split('/').at(-1));
    expect(details).toContain(RetryInfoSchema.typeName);
    expect(answers.filter(({ body }) => body.length === 7).length).toBeGreaterThan(1);
  });

  it('calls are answered again after an overload, on its connection and on another one', async () => {
    await flood((some) => some.some(isRefused));
    const statuses: (string | undefined)[] = [];
    await withSession(server.url, async (session) => {
      while (statuses.at(-1) !== '0') {
        statuses.push((await answerOf(send(session, { pieces: [frame(check('now'))] }))).status);
      }
    });
    expect(statuses.at(-1)).toBe('0');
  });
});

it('a late call of JSON is refused with the time of a retry', async () => {
  const server = await openServer('http');
  onTestFinished(() => server.stop(100));
  const headers = { 'content-type': 'application/json' };
  await withSession(server.url, async (session) => {
    const answers: RawAnswer[] = [];
    const isRefused = (answer: RawAnswer): boolean => Number(answer.headers[':status']) === 429;
    let open = 0;
    while (!answers.some(isRefused)) {
      for (; open < 200; open += 1) {
        const call = answerOf(send(session, { headers, pieces: [Buffer.from('{"permission":"busy:4"}')] }));
        void call.then(
          (answer) => {
            open -= 1;
            answers.push(answer);
          },
          () => {
            open -= 1;
          },
        );
      }
      await turn();
    }
    const refused = answers.find(isRefused);
    expect(refused?.headers['retry-after']).toBe('1');
    expect(JSON.parse(refused?.body.toString() ?? '')).toMatchObject({ code: 'resource_exhausted' });
    await until('all answers', () => open === 0);
  });
});
