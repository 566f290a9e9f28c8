/** The parent's side of rolling-clients.ts. */
import { startChild } from '../bench/child.ts';
import type { Asker } from './ask.ts';
import type { HonestQuestion } from './honest-caller.ts';

/** The instructions to the clients. */
export interface RollingOrder extends Asker {
  readonly grpcAddresses: readonly string[];
  readonly httpUrls: readonly string[];
  readonly questions: readonly HonestQuestion[];
}

/** What came of their calls. */
export interface RollingResult {
  grpcCalls: number;
  httpCalls: number;
  /** Each begins with the way of the call. */
  readonly failures: string[];
}

export interface RollingClients {
  begin(order: RollingOrder): void;
  /** Ends them once the calls under way are answered. */
  end(): Promise<RollingResult>;
  stop(): Promise<void>;
}

export function startRollingClients(cores: string | null): RollingClients {
  const child = startChild(cores, '../siege/rolling-clients.ts', []);
  return { begin: child.send, end: () => child.ask<RollingResult>('end'), stop: child.stop };
}
