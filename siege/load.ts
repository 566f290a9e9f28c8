/** The load of an overload, a process: calls at a rate, whatever becomes of them, or as many as are answered. */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { percentile } from '../bench/numbers.ts';
import { createLoadConnection, type LoadConnection } from './load-connection.ts';
import type { LoadOrder, LoadPart, LoadResult, Message } from './load-process.ts';
import { callWithToken } from './requests.ts';

const TICK_MS = 2;

function sender(order: LoadOrder): (on: (ok: boolean, ms: number, at: number) => void, due: number) => void {
  const block = callWithToken(order.path, order.token, { 'grpc-timeout': `${order.deadlineMs}m` });
  connections = Array.from({ length: order.connections }, () => createLoadConnection(order.port, block));
  let number = 0;
  return (on, due) => {
    number += 1;
    const end = connections[number % connections.length]?.send({
      body: bodyOf(order.message),
      done: (ok) => {
        clearTimeout(timer);
        on(ok, performance.now() - due, due);
      },
    });
    const timer = setTimeout(() => end?.(), order.deadlineMs);
  };
}

let connections: readonly LoadConnection[] = [];

/** The message, with ids that no call before had where it has places for them. */
function bodyOf({ body, idsAt }: Message): Uint8Array {
  const bytes = Buffer.from(body, 'base64');
  const ids = randomBytes(16 * idsAt.length).toString('hex');
  for (const [index, at] of idsAt.entries()) bytes.write(ids.slice(index * 32, index * 32 + 32), at, 'latin1');
  return bytes;
}

async function run(part: LoadPart, send: ReturnType<typeof sender>): Promise<LoadResult> {
  const times: number[] = [];
  let sent = 0;
  let failed = 0;
  let lastBadMs = 0;
  let under = 0;
  const began = performance.now();
  const over = (): boolean => performance.now() - began >= part.seconds * 1_000;
  const all = Promise.withResolvers<void>();
  const note = (ok: boolean, ms: number, at: number): void => {
    under -= 1;
    if (ok) times.push(ms);
    else failed += 1;
    if (!ok || ms > part.slowMs) lastBadMs = Math.max(lastBadMs, at + ms - began);
    if (part.inFlight !== null && !over()) next(performance.now());
    else if (under === 0 && over()) all.resolve();
  };
  const next = (due: number): void => {
    sent += 1;
    under += 1;
    send(note, due);
  };
  if (part.inFlight !== null) for (let index = 0; index < part.inFlight; index += 1) next(performance.now());
  while (!over()) {
    // Each call counts from when it was due: a service that stalls does not slow down its own measurement.
    for (; part.inFlight === null && sent < ((performance.now() - began) / 1_000) * part.rate; ) {
      next(began + (sent * 1_000) / part.rate);
    }
    await delay(TICK_MS);
  }
  const seconds = (performance.now() - began) / 1_000;
  if (under > 0) await all.promise;
  times.sort((a, b) => a - b);
  return {
    sent,
    perSecond: times.length / seconds,
    failed,
    p50Ms: percentile(times, 0.5),
    p99Ms: percentile(times, 0.99),
    lastBadMs,
  };
}

process.on('message', (order: LoadOrder) => {
  const send = sender(order);
  const parts = async (): Promise<readonly LoadResult[]> => {
    const results: LoadResult[] = [];
    for (const part of order.parts) results.push(await run(part, send));
    for (const connection of connections) connection.close();
    return results;
  };
  void parts().then((results) => process.send?.(results));
});
process.on('disconnect', () => process.exit());
