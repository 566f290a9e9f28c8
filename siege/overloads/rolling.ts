/** Three replicas that are restarted in turn, with clients that must not notice. */
import { setTimeout as delay } from 'node:timers/promises';
import { atMost, noted, type Overload } from '../overload.ts';
import { startRollingClients } from '../rolling-process.ts';
import { type Service, startService } from '../service.ts';

const REPLICAS = 3;
const RESTARTS = 20;
const DEADLINE_MS = 1_000;
/** Between a restart and the next: gRPC clients look for a replica that was away only once a second and later. */
const PAUSE_MS = 2_000;
const SETTLE_MS = 500;

export const rolling: Overload = {
  name: 'rolling',
  title: `${REPLICAS} replicas restarted in turn, ${RESTARTS} restarts, with gRPC clients and HTTP clients that keep connections`,
  kind: 'rolling',
  run: async ({ environment, questions, token }, { cores, main }, stack) => {
    const replicas: Service[] = [];
    stack.defer(async () => void (await Promise.all(replicas.map((replica) => replica.stop()))));
    for (let index = 0; index < REPLICAS; index += 1) replicas.push(await startService(environment, null, main));
    const clients = stack.adopt(startRollingClients(cores?.load ?? null), (one) => one.stop());
    clients.begin({
      grpcAddresses: replicas.map(({ grpcAddress }) => grpcAddress),
      httpUrls: replicas.map(({ httpUrl }) => httpUrl),
      questions,
      token: token('honest'),
      deadlineMs: DEADLINE_MS,
    });
    await delay(SETTLE_MS);
    for (let restart = 0; restart < RESTARTS; restart += 1) {
      const index = restart % REPLICAS;
      const old = replicas[index];
      if (old === undefined) throw new Error('no replica');
      await old.stop();
      const addresses = { ASSENT_GRPC_ADDRESS: old.grpcAddress, ASSENT_HTTP_ADDRESS: new URL(old.httpUrl).host };
      replicas[index] = await startService({ ...environment, ...addresses }, null, main);
      await delay(PAUSE_MS);
    }
    const { grpcCalls, httpCalls, failures } = await clients.end();
    const failed = (way: string): number => failures.filter((failure) => failure.startsWith(way)).length;
    for (const failure of new Set(failures)) process.stderr.write(`rolling: ${failure}\n`);
    return [
      noted('calls by gRPC', grpcCalls, 'calls'),
      atMost('failed by gRPC', failed('grpc'), 'calls', 0),
      noted('calls by HTTP', httpCalls, 'calls'),
      atMost('failed by HTTP', failed('http'), 'calls', 0),
    ];
  },
};
