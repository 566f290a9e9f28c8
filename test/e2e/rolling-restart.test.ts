/**
 * Three replicas that are restarted in turn under load: no call fails, neither of a gRPC client with the settings of
 * docs/use/calling.md nor of HTTP clients that keep a connection until an answer ends it, and then take another ready replica.
 * `ASSENT_ROLLOUTS=20 npx vitest run test/e2e/rolling-restart.test.ts` is the long form.
 */
import { Agent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { create, toBinary } from '@bufbuild/protobuf';
import { Client, credentials } from '@grpc/grpc-js';
import pg from 'pg';
import { afterAll, expect, it, onTestFinished } from 'vitest';
import { CheckPermissionRequestSchema } from '../../gen/assent/auth/v1/auth_service_pb.ts';
import { type ServingAssent, startAssent } from '../../tools/assent/assent-process.ts';
import { freePort } from '../../tools/local-services/ports.ts';
import { testDatabase } from '../support/database.ts';
import { createSeed } from '../support/seed.ts';
import { CHECK } from '../support/server/raw-call.ts';
import { settingsFor } from '../support/settings.ts';
import { applicationTemplate } from '../support/template.ts';
import { until } from '../support/until.ts';

const ROLLOUTS = Number(process.env['ASSENT_ROLLOUTS'] ?? 1);
const REPLICAS = 3;
const HTTP_CLIENTS = 8;
const GRPC_CALLS_AT_ONCE = 8;

const database = await testDatabase(await applicationTemplate('plural'));
const pool = new pg.Pool({ connectionString: database.url });
afterAll(() => pool.end());
const seed = createSeed(pool);
const [userId, organizationId] = [await seed.user(), await seed.organization()];
await seed.member(userId, organizationId, 'owner');
const ASK = { userId, organizationId, permission: 'organization:delete' };
const JSON_ASK = JSON.stringify(ASK);

/** The service config of docs/use/calling.md. */
const SERVICE_CONFIG = JSON.stringify({
  loadBalancingConfig: [{ round_robin: {} }],
  healthCheckConfig: { serviceName: 'assent.auth.v1.AuthService' },
  methodConfig: [
    {
      name: [{ service: 'assent.auth.v1.AuthService' }],
      timeout: '1s',
      retryPolicy: {
        ...{ maxAttempts: 4, initialBackoff: '0.05s', maxBackoff: '1s', backoffMultiplier: 2 },
        retryableStatusCodes: ['UNAVAILABLE'],
      },
    },
  ],
});

it(`each of ${ROLLOUTS} restarts of three replicas in turn fails no call`, {
  timeout: 60_000 + ROLLOUTS * 60_000,
}, async () => {
  const places = await Promise.all(
    Array.from({ length: REPLICAS }, async () => ({
      ASSENT_GRPC_ADDRESS: `127.0.0.1:${await freePort()}`,
      ASSENT_HTTP_ADDRESS: `127.0.0.1:${await freePort()}`,
    })),
  );
  const start = (place: (typeof places)[number]): Promise<ServingAssent> =>
    startAssent({ ...settingsFor(database.url), ...place });
  const replicas = await Promise.all(places.map(start));
  onTestFinished(async () => void (await Promise.all(replicas.map((replica) => replica.stop()))));

  const enough = new AbortController();
  const failures: string[] = [];
  const answered = { grpc: 0, http: 0 };
  const ready = watchReadiness(
    places.map((place) => place.ASSENT_HTTP_ADDRESS),
    enough.signal,
  );
  await until('all are ready', () => ready.addresses().length === REPLICAS);
  const load = [
    ...askByGrpc(places.map((place) => place.ASSENT_GRPC_ADDRESS).join(','), enough.signal, failures, answered),
    ...Array.from({ length: HTTP_CLIENTS }, (_, client) =>
      askByHttp(ready.addresses, enough.signal, failures, answered, client),
    ),
  ];
  for (let rollout = 0; rollout < ROLLOUTS; rollout += 1) {
    for (const [index, place] of places.entries()) {
      expect(await replicas[index]?.stop()).toEqual({ code: 0, signal: null });
      replicas[index] = await start(place);
      await until('all are ready', () => ready.addresses().length === REPLICAS);
    }
  }
  enough.abort();
  await Promise.all([...load, ready.ended]);
  process.stdout.write(
    `rolling restart: ${JSON.stringify({ rollouts: ROLLOUTS, ...answered, failed: failures.length })}\n`,
  );
  expect(failures).toEqual([]);
  expect(answered.grpc).toBeGreaterThan(100);
  expect(answered.http).toBeGreaterThan(100);
});

/** The addresses whose `/readyz` is 200, as a balancer keeps them. */
function watchReadiness(addresses: readonly string[], signal: AbortSignal) {
  const isReady = new Map(addresses.map((address) => [address, false]));
  const watch = async (address: string): Promise<void> => {
    while (!signal.aborted) {
      const status = await get(address).catch(() => 0);
      isReady.set(address, status === 200);
      await delay(100);
    }
  };
  return {
    addresses: () => addresses.filter((address) => isReady.get(address) === true),
    ended: Promise.all(addresses.map(watch)),
  };
}

const get = (address: string): Promise<number> =>
  new Promise((resolve, reject) => {
    request(`http://${address}/readyz`, { agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .on('error', reject)
      .end();
  });

function askByGrpc(
  targets: string,
  signal: AbortSignal,
  failures: string[],
  answered: { grpc: number },
): readonly Promise<void>[] {
  const client = new Client(`ipv4:${targets}`, credentials.createInsecure(), {
    'grpc.service_config': SERVICE_CONFIG,
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
  });
  onTestFinished(() => client.close());
  const message = Buffer.from(
    toBinary(
      CheckPermissionRequestSchema,
      create(CheckPermissionRequestSchema, {
        subject: { case: 'userId', value: userId },
        scope: { case: 'organizationId', value: organizationId },
        permission: ASK.permission,
      }),
    ),
  );
  const asIs = (bytes: Buffer): Buffer => bytes;
  const one = (): Promise<void> =>
    new Promise((resolve) => {
      client.makeUnaryRequest(CHECK, asIs, asIs, message, (error) => {
        if (error === null) answered.grpc += 1;
        else failures.push(`grpc: ${error.message}`);
        resolve();
      });
    });
  return Array.from({ length: GRPC_CALLS_AT_ONCE }, async () => {
    while (!signal.aborted) {
      await one();
      await delay(5);
    }
  });
}

/**
 * A client that keeps its connection, and stays with a replica until an answer ends the connection. Then it takes another ready
 * one. It never retries.
 */
async function askByHttp(
  addresses: () => readonly string[],
  signal: AbortSignal,
  failures: string[],
  answered: { http: number },
  first: number,
): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  let turn = first;
  const next = (): string => addresses()[turn++ % addresses().length] ?? 'none';
  let address = next();
  while (!signal.aborted) {
    try {
      const { status, last } = await post(address, agent);
      if (status === 200) answered.http += 1;
      else failures.push(`http: ${status}`);
      if (last) address = next();
    } catch (error) {
      failures.push(`http: ${String(error)}`);
      address = next();
    }
    await delay(5);
  }
}

const post = (
  address: string,
  agent: Agent,
): Promise<{ readonly status: number | undefined; readonly last: boolean }> =>
  new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': JSON_ASK.length };
    request(`http://${address}${CHECK}`, { agent, method: 'POST', headers }, (response) => {
      const last = response.headers.connection === 'close';
      response.resume().once('end', () => resolve({ status: response.statusCode, last }));
    })
      .on('error', reject)
      .end(JSON_ASK);
  });
