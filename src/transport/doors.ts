/** The doors that the configuration asks for. */
import type { Config } from '../config.ts';
import type { Scrape } from '../telemetry/metrics.ts';
import type { Dispatcher } from './dispatch.ts';
import { type Door, KEEPALIVE } from './door.ts';
import { createGrpcJsDoor } from './grpc-js-door.ts';
import { createHttpDoor } from './http-door.ts';
import { createLeanDoor } from './lean/lean-door.ts';

/** A door as the log names it. */
export interface NamedDoor {
  readonly name: 'grpc' | 'http';
  readonly door: Door;
}

/**
 * Creates the doors, in the order in which they open; nothing listens before {@link Door.listen}.
 * @param metrics What the HTTP door shows as `/metrics`.
 */
export const createDoors = (
  { grpcDoor, grpcAddress, httpAddress, tls }: Config,
  dispatcher: Dispatcher,
  metrics: Scrape,
): readonly NamedDoor[] => {
  const common = { tls, dispatcher, keepalive: KEEPALIVE };
  const createGrpc = grpcDoor === 'lean' ? createLeanDoor : createGrpcJsDoor;
  const grpc = createGrpc({ ...common, address: grpcAddress });
  if (httpAddress === null) return [{ name: 'grpc', door: grpc }];
  const http = createHttpDoor({ ...common, address: httpAddress, metrics });
  return [
    { name: 'grpc', door: grpc },
    { name: 'http', door: http },
  ];
};
