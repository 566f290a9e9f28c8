/** One replica of the service: a process that can be killed and started again at the same address. */
import { type ServingAssent, startAssent } from '../tools/assent/assent-process.ts';
import { freePort } from '../tools/local-services/index.ts';
import { createReplicaClient, type ReplicaClient } from './client.ts';

export interface Replica {
  readonly client: ReplicaClient;
  kill(): Promise<void>;
  /** Resolves when it serves. */
  start(): Promise<void>;
  /** SIGSTOP, and SIGCONT to go on. */
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
}

/** @param main The service's main file; null: this repository's. */
export const startReplica = async (
  environment: Readonly<Record<string, string>>,
  main: string | null,
): Promise<Replica> => {
  const address = `127.0.0.1:${await freePort()}`;
  const settings = { ...environment, ASSENT_GRPC_ADDRESS: address, ASSENT_HTTP_ADDRESS: 'off' };
  const start = (): Promise<ServingAssent> =>
    main === null ? startAssent(settings) : startAssent(settings, 'service.serving', main);
  let assent = await start();
  const client = createReplicaClient(address);
  return {
    client,
    kill: async () => {
      assent.kill('SIGKILL');
      await assent.exited;
    },
    start: async () => {
      assent = await start();
    },
    pause: () => assent.kill('SIGSTOP'),
    resume: () => assent.kill('SIGCONT'),
    stop: async () => {
      client.close();
      await assent.stop();
    },
  };
};
