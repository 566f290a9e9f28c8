/**
 * Stops under callers that go on opening streams, where a Node without the fixes of 24.22.3 can end by a signal.
 * `ASSENT_STOPS=300 npx vitest run test/e2e/stops.test.ts` is the long form.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { afterAll, expect, it } from 'vitest';
import { type Exit, spawnAssent } from '../../tools/assent/assent-process.ts';
import { createAuthority } from '../../tools/network/certificates.ts';
import { testDatabase } from '../support/database.ts';
import { ACK, callHeaders, END_HEADERS, END_STREAM, FRAME, http2Frame, PREFACE } from '../support/server/frames.ts';
import { CHECK, check, frame } from '../support/server/raw-call.ts';
import { settingsFor } from '../support/settings.ts';
import { applicationTemplate } from '../support/template.ts';
import { until } from '../support/until.ts';

const STOPS = Number(process.env['ASSENT_STOPS'] ?? 8);
/** Processes at a time. One that stops waits for its own bounds most of the time. */
const AT_ONCE = 4;
const CONNECTIONS = 2;
const STREAMS_AT_ONCE = 5;
const PACE_MS = 20;
const PATIENCE_MS = 50_000;

const { url } = await testDatabase(await applicationTemplate('plural'));
const folder = mkdtempSync(join(tmpdir(), 'assent-stops-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const certificate = createAuthority('authority').issue('server');
const TLS = {
  ASSENT_TLS_CERT: file('cert.pem', certificate.cert),
  ASSENT_TLS_KEY: file('key.pem', certificate.key),
};

it.each([
  ['without TLS', {}],
  ['with TLS', TLS],
])(
  `each of ${STOPS / 2} stops under callers that keep opening streams ends with exit code 0, %s`,
  { timeout: 60_000 + STOPS * 6_000 },
  async (_name, settings) => {
    const exits: Exit[] = [];
    let begun = 0;
    const stopAll = async (): Promise<void> => {
      while (begun < STOPS / 2) {
        begun += 1;
        exits.push(await stopUnderLoad(settings));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, stopAll));
    expect(exits.filter(({ code, signal }) => code !== 0 || signal !== null)).toEqual([]);
    expect(exits).toHaveLength(STOPS / 2);
  },
);

async function stopUnderLoad(settings: Readonly<Record<string, string>>): Promise<Exit> {
  const assent = spawnAssent({ ...settingsFor(url), ...settings });
  // Several start at once, and the long form makes the machine slow.
  const { grpc, http } = await assent.logged(({ event }) => event === 'service.serving', PATIENCE_MS);
  const ports = [grpc, http].map((address) => Number(String(address).split(':').at(-1)));
  const callers = ports.flatMap((port) =>
    Array.from({ length: CONNECTIONS }, () => openStreams(port, settings === TLS)),
  );
  await until('every caller is answered', () => callers.every(({ answered }) => answered() > 0), PATIENCE_MS);
  assent.kill('SIGTERM');
  const exit = await assent.exited;
  for (const { end } of callers) end();
  return exit;
}

/** Opens stream after stream on one connection for as long as it lasts, whatever the server says on it. */
function openStreams(port: number, secure: boolean) {
  const options = { port, host: '127.0.0.1' };
  const socket: Socket = secure
    ? connectTls({ ...options, rejectUnauthorized: false, ALPNProtocols: ['h2'] })
    : connectTcp(options);
  let received = 0;
  socket.on('error', () => {});
  socket.on('data', (bytes: Buffer) => {
    received += bytes.length;
  });
  void keepOpening(socket);
  return { answered: () => received, end: () => socket.destroy() };
}

async function keepOpening(socket: Socket): Promise<void> {
  const settingsAck = http2Frame(FRAME.SETTINGS, ACK, 0);
  const credit = http2Frame(FRAME.WINDOW_UPDATE, 0, 0, Buffer.of(0x7f, 0, 0, 0));
  socket.write(Buffer.concat([PREFACE, http2Frame(FRAME.SETTINGS, 0, 0), settingsAck, credit]));
  const headers = callHeaders(CHECK);
  const body = frame(check('organization:update'));
  for (let stream = 1; !socket.destroyed; ) {
    const frames: Buffer[] = [];
    for (let count = 0; count < STREAMS_AT_ONCE; count += 1, stream += 2) {
      frames.push(http2Frame(FRAME.HEADERS, END_HEADERS, stream, headers));
      frames.push(http2Frame(FRAME.DATA, END_STREAM, stream, body));
    }
    socket.write(Buffer.concat(frames));
    await delay(PACE_MS);
  }
}
