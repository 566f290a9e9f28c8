/**
 * The honest caller, a process: it asks at a steady rate whatever becomes of the answers, by gRPC on a connection that stays,
 * by JSON over HTTP/1.1, and by gRPC on new connections. Each call has a deadline and one right answer.
 */
import { Agent } from 'node:http';
import { Agent as SecureAgent } from 'node:https';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, credentials } from '@grpc/grpc-js';
import { askByGrpc, askByJson } from './ask.ts';
import type { HonestCall, HonestOrder, HonestQuestion } from './honest-caller.ts';

/** The way of each call, by its number. */
const JSON_EVERY = 5;
const NEW_CONNECTION_EVERY = 50;

const calls: HonestCall[] = [];
let running = false;

/** When it was due, in milliseconds of the machine's clock: processes compare their times. */
const clock = (): number => performance.timeOrigin + performance.now();

function ask(order: HonestOrder, number: number, client: Client, agent: Agent): Promise<void> {
  const question = order.questions[number % order.questions.length];
  if (question === undefined) throw new Error('no question');
  const at = clock();
  const way = number % NEW_CONNECTION_EVERY === 1 ? 'new' : number % JSON_EVERY === 0 ? 'json' : 'grpc';
  const asked =
    way === 'json'
      ? askByJson(order, order.httpUrl, question, agent)
      : way === 'new'
        ? askOnNewConnection(order, question)
        : askByGrpc(order, question, client);
  return asked.then((failure) => {
    calls.push({ at, ms: clock() - at, way, failure });
  });
}

async function askOnNewConnection(order: HonestOrder, question: HonestQuestion): Promise<string | null> {
  const client = connectTo(order);
  try {
    return await askByGrpc(order, question, client);
  } finally {
    client.close();
  }
}

function connectTo({ grpcAddress, ca }: HonestOrder): Client {
  const channel = ca === null ? credentials.createInsecure() : credentials.createSsl(Buffer.from(ca));
  return new Client(grpcAddress, channel, {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
    'grpc.initial_reconnect_backoff_ms': 50,
    'grpc.max_reconnect_backoff_ms': 200,
    'grpc.ssl_target_name_override': 'localhost',
  });
}

async function run(order: HonestOrder, started: () => void): Promise<void> {
  const client = connectTo(order);
  const agent = order.ca === null ? new Agent({ keepAlive: true }) : new SecureAgent({ keepAlive: true, ca: order.ca });
  // Every question once: what is measured later is answered from memory.
  for (const [number] of order.questions.entries()) await ask(order, number, client, agent);
  const failure = calls.map((call) => call.failure).find((one) => one !== null);
  calls.length = 0;
  if (failure !== undefined) throw new Error(`the honest caller is refused without an attack: ${failure}`);
  started();
  running = true;
  const began = performance.now();
  const under: Promise<void>[] = [];
  for (let number = 0; running; number += 1) {
    under.push(ask(order, number, client, agent));
    await delay(Math.max(0, began + ((number + 1) * 1_000) / order.perSecond - performance.now()));
  }
  await Promise.all(under);
  process.send?.(calls);
  client.close();
  agent.destroy();
}

process.on('message', (message: HonestOrder | 'end') => {
  if (message === 'end') running = false;
  else {
    run(message, () => process.send?.('started')).catch((error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    });
  }
});
process.on('disconnect', () => process.exit());
