/** The parent's side of varied-client.ts. */
import { type Child, startChild } from './child.ts';
import { CONNECTIONS, STREAMS } from './h2load.ts';
import type { Latency } from './numbers.ts';
import { frame, type Question } from './questions.ts';

/** The instructions to the client. */
export interface VariedOrder {
  readonly address: string;
  readonly path: string;
  readonly count: number;
  /** Null: as fast as answers come. */
  readonly rps: number | null;
  readonly connections: number;
  readonly streams: number;
  /** Which body to begin with. */
  readonly first: number;
}

export interface VariedResult {
  readonly rps: number;
  readonly errors: number;
  readonly latency: Latency;
}

export interface VariedLoad {
  /** Sends this many requests, each with the next body. */
  run(address: string, count: number, rps: number | null): Promise<VariedResult>;
  /** Begins with the first body again. */
  rewind(): void;
  stop(): Promise<void>;
}

/** Creates a load of these questions, which are all for one method, asked in turn. */
export const createVariedLoad = (cores: string, questions: readonly Question[]): VariedLoad => {
  const [{ path }] = questions as [Question];
  const client: Child = startChild(cores, './varied-client.ts', []);
  client.send({ bodies: questions.map(({ body }) => frame(body).toString('base64')) });
  let first = 0;
  return {
    run: (address, count, rps) => {
      const order: VariedOrder = { address, path, count, rps, connections: CONNECTIONS, streams: STREAMS, first };
      first = (first + count) % questions.length;
      return client.ask<VariedResult>(order);
    },
    rewind: () => {
      first = 0;
    },
    stop: client.stop,
  };
};
