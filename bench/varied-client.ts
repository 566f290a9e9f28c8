/**
 * A load of many different requests, which h2load cannot send: it has one body for all. Bare node:http2 on the load's
 * core; takes orders by IPC. Never ahead of a server that does more than echo: it sends 25,000 requests a second.
 */
import { type ClientHttp2Session, connect } from 'node:http2';
import { latencyOf } from './numbers.ts';
import type { VariedOrder, VariedResult } from './varied-load.ts';

const MILLISECONDS = 1_000;

const openSession = (address: string): Promise<ClientHttp2Session> =>
  new Promise((resolve, reject) => {
    const session = connect(`http://${address}`);
    session.once('connect', () => resolve(session));
    session.once('error', reject);
  });

/** Sends one request and calls `done` with whether the answer's gRPC status was OK. */
const send = (session: ClientHttp2Session, path: string, body: Buffer, done: (ok: boolean) => void): void => {
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  let status: unknown;
  stream.on('response', (headers) => {
    status = headers['grpc-status'];
  });
  stream.on('trailers', (trailers) => {
    status = trailers['grpc-status'];
  });
  stream.on('error', () => {});
  stream.on('close', () => done(status === '0'));
  stream.resume();
  stream.end(body);
};

const run = async (order: VariedOrder, bodies: readonly Buffer[]): Promise<VariedResult> => {
  const { address, path, count, rps, connections, streams, first } = order;
  const sessions = await Promise.all(Array.from({ length: connections }, () => openSession(address)));
  const micros: number[] = [];
  let sent = 0;
  let errors = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  const next = (due: number, onAnswer: () => void): void => {
    const session = sessions[sent % connections];
    const body = bodies[(first + sent) % bodies.length];
    sent += 1;
    if (session === undefined || body === undefined) throw new Error('nothing to send');
    send(session, path, body, (ok) => {
      // From when it was due, not from when it was sent: a server that stalls must not slow down its own measurement.
      micros.push((performance.now() - due) * MILLISECONDS);
      if (!ok) errors += 1;
      if (micros.length === count) resolve();
      else onAnswer();
    });
  };
  const began = performance.now();
  if (rps === null) {
    const again = (): void => {
      if (sent < count) next(performance.now(), again);
    };
    for (let index = 0; index < connections * streams; index += 1) again();
  } else {
    const tick = (): void => {
      const now = performance.now();
      for (let due = began + (sent * MILLISECONDS) / rps; due <= now && sent < count; ) {
        next(due, () => {});
        due = began + (sent * MILLISECONDS) / rps;
      }
      if (sent < count) setTimeout(tick, 0);
    };
    tick();
  }
  await promise;
  const seconds = (performance.now() - began) / MILLISECONDS;
  for (const session of sessions) session.close();
  return { rps: count / seconds, errors, latency: latencyOf(micros) };
};

let bodies: Buffer[] = [];
process.on('message', (message: { readonly bodies: readonly string[] } | VariedOrder) => {
  if ('bodies' in message) bodies = message.bodies.map((text) => Buffer.from(text, 'base64'));
  else void run(message, bodies).then((result) => process.send?.(result));
});
process.on('disconnect', () => process.exit());
