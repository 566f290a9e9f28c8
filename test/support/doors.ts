/**
 * The doors as their callers see them, so that one test goes through each of them. A further door is a line in
 * {@link DOORS}; its settings are the environment that opens it.
 */
import { afterAll } from 'vitest';
import { type ServingAssent, startAssent } from '../../tools/assent/assent-process.ts';
import type { DoorClient } from './door-clients/client.ts';
import { grpcClient } from './door-clients/grpc.ts';
import { connectClient, grpcWebClient } from './door-clients/http.ts';

/** A way into the service. */
export interface DoorUnderTest {
  readonly name: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly open: (assent: ServingAssent) => DoorClient;
}

const http = ({ httpUrl }: ServingAssent): string => {
  if (httpUrl === null) throw new Error('the HTTP door is off');
  return httpUrl;
};

/** Every way in. */
export const DOORS: readonly DoorUnderTest[] = [
  { name: 'gRPC', settings: {}, open: ({ grpcAddress }) => grpcClient(grpcAddress) },
  { name: 'HTTP: Connect', settings: {}, open: (assent) => connectClient(http(assent)) },
  { name: 'HTTP: gRPC-Web', settings: {}, open: (assent) => grpcWebClient(http(assent)) },
  { name: 'HTTP: gRPC', settings: {}, open: (assent) => grpcClient(new URL(http(assent)).host) },
];

/** Doors of one environment; processes are started when they are needed, and shared by doors of the same settings. */
export interface OpenDoors {
  assent(door: DoorUnderTest): Promise<ServingAssent>;
  client(door: DoorUnderTest): Promise<DoorClient>;
  /** Every process that was started. */
  assents(): Promise<readonly ServingAssent[]>;
}

/** Call it at the top of a file or of a `describe`; everything ends after its last test. */
export const openDoors = (environment: Readonly<Record<string, string | undefined>>): OpenDoors => {
  const assents = new Map<string, Promise<ServingAssent>>();
  const clients = new Map<string, DoorClient>();
  const assent = (door: DoorUnderTest): Promise<ServingAssent> => {
    const key = JSON.stringify(door.settings);
    const known = assents.get(key) ?? startAssent({ ...environment, ...door.settings });
    assents.set(key, known);
    return known;
  };
  afterAll(async () => {
    for (const client of clients.values()) client.close();
    await Promise.all([...assents.values()].map(async (one) => (await one).stop()));
  });
  return {
    assent,
    client: async (door) => {
      const client = clients.get(door.name) ?? door.open(await assent(door));
      clients.set(door.name, client);
      return client;
    },
    assents: () => Promise.all(assents.values()),
  };
};
