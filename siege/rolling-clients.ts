/**
 * Clients of three replicas that are restarted, a process. gRPC: one channel over all of them, with the settings that
 * docs/use/calling.md gives. HTTP: connections that are kept alive to each replica that is ready, and asked again and again.
 */
import { Agent, get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, credentials } from '@grpc/grpc-js';
import { AuthService } from '../gen/assent/auth/v1/auth_service_pb.ts';
import { askByGrpc, askByJson } from './ask.ts';
import type { RollingOrder, RollingResult } from './rolling-process.ts';

const SERVICE_CONFIG = {
  loadBalancingConfig: [{ round_robin: {} }],
  methodConfig: [
    {
      name: [{ service: AuthService.typeName }],
      retryPolicy: {
        maxAttempts: 4,
        initialBackoff: '0.05s',
        maxBackoff: '1s',
        backoffMultiplier: 2,
        retryableStatusCodes: ['UNAVAILABLE'],
      },
    },
  ],
};
const OPTIONS = {
  'grpc.service_config': JSON.stringify(SERVICE_CONFIG),
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
};
const PAUSE_MS = 20;
const PROBE_MS = 100;
/** A balancer's delay: requests go on so long after a replica has said that it is not ready. Less than the lame-duck time. */
const LATE_MS = 400;
const SOCKETS = 4;

let running = true;
const result: RollingResult = { grpcCalls: 0, httpCalls: 0, failures: [] };

function note(way: 'grpc' | 'http', failure: string | null): void {
  if (way === 'grpc') result.grpcCalls += 1;
  else result.httpCalls += 1;
  if (failure !== null) result.failures.push(`${way}: ${failure}`);
}

async function askAll(order: RollingOrder): Promise<void> {
  const client = new Client(`ipv4:${order.grpcAddresses.join(',')}`, credentials.createInsecure(), OPTIONS);
  const under = new Set<Promise<void>>();
  for (let number = 0; running; number += 1) {
    const question = order.questions[number % order.questions.length];
    if (question === undefined) throw new Error('no question');
    const call = askByGrpc(order, question, client).then((failure) => note('grpc', failure));
    under.add(call);
    void call.then(() => under.delete(call));
    await delay(PAUSE_MS);
  }
  await Promise.all(under);
  client.close();
}

async function askReplica(order: RollingOrder, url: string): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: SOCKETS });
  let isReady = await probe(url);
  let until = Number.NEGATIVE_INFINITY;
  const probing = (async () => {
    while (running) {
      await delay(PROBE_MS);
      const now = await probe(url);
      if (isReady && !now) until = performance.now() + LATE_MS;
      isReady = now;
    }
  })();
  const loop = async (lane: number): Promise<void> => {
    for (let number = lane; running; number += 1) {
      const question = order.questions[number % order.questions.length];
      const asks = isReady || performance.now() < until;
      if (question !== undefined && asks) note('http', await askByJson(order, url, question, agent));
      await delay(PAUSE_MS * SOCKETS);
    }
  };
  await Promise.all([probing, ...Array.from({ length: SOCKETS }, (_, lane) => loop(lane))]);
  agent.destroy();
}

/** On a connection for this probe alone. */
function probe(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const sent = get(`${url}/readyz`, { agent: false }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode === 200));
    });
    sent.once('error', () => resolve(false));
  });
}

process.on('message', (message: RollingOrder | 'end') => {
  if (message === 'end') {
    running = false;
    return;
  }
  void Promise.all([askAll(message), ...message.httpUrls.map((url) => askReplica(message, url))]).then(() => {
    process.send?.(result);
  });
});
process.on('disconnect', () => process.exit());
