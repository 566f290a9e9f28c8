/**
 * The protocols as their callers see them, so that one test goes through each of them. A further protocol is a line in
 * {@link PROTOCOLS}; its settings are the environment that opens it.
 */
import { afterAll } from 'vitest';
import { type ServingAssent, startAssent } from '../../tools/assent/assent-process.ts';
import type { ProtocolClient } from './protocol-clients/client.ts';
import { grpcClient } from './protocol-clients/grpc.ts';
import { connectClient, grpcWebClient } from './protocol-clients/http.ts';

/** A way into the service. */
export interface ProtocolUnderTest {
  readonly name: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly open: (assent: ServingAssent) => ProtocolClient;
}

const http = ({ httpUrl }: ServingAssent): string => {
  if (httpUrl === null) throw new Error('the HTTP server is off');
  return httpUrl;
};

/** Every way in. */
export const PROTOCOLS: readonly ProtocolUnderTest[] = [
  { name: 'gRPC', settings: {}, open: ({ grpcAddress }) => grpcClient(grpcAddress) },
  { name: 'HTTP: Connect', settings: {}, open: (assent) => connectClient(http(assent)) },
  { name: 'HTTP: gRPC-Web', settings: {}, open: (assent) => grpcWebClient(http(assent)) },
  { name: 'HTTP: gRPC', settings: {}, open: (assent) => grpcClient(new URL(http(assent)).host) },
];

/** Protocols of one environment; processes are started when they are needed, and shared by protocols of the same settings. */
export interface ProtocolClients {
  assent(protocol: ProtocolUnderTest): Promise<ServingAssent>;
  client(protocol: ProtocolUnderTest): Promise<ProtocolClient>;
  /** Every process that was started. */
  assents(): Promise<readonly ServingAssent[]>;
}

/** Call it at the top of a file or of a `describe`; everything ends after its last test. */
export const openProtocols = (environment: Readonly<Record<string, string | undefined>>): ProtocolClients => {
  const assents = new Map<string, Promise<ServingAssent>>();
  const clients = new Map<string, ProtocolClient>();
  const assent = (protocol: ProtocolUnderTest): Promise<ServingAssent> => {
    const key = JSON.stringify(protocol.settings);
    const known = assents.get(key) ?? startAssent({ ...environment, ...protocol.settings });
    assents.set(key, known);
    return known;
  };
  afterAll(async () => {
    for (const client of clients.values()) client.close();
    await Promise.all([...assents.values()].map(async (one) => (await one).stop()));
  });
  return {
    assent,
    client: async (protocol) => {
      const client = clients.get(protocol.name) ?? protocol.open(await assent(protocol));
      clients.set(protocol.name, client);
      return client;
    },
    assents: () => Promise.all(assents.values()),
  };
};
