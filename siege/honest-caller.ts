/** The parent's side of honest.ts. */
import { startChild } from '../bench/child.ts';

/** One question with its right answer. */
export interface HonestQuestion {
  /** The message, as base64. */
  readonly body: string;
  /** The same as JSON. */
  readonly json: string;
  readonly allowed: boolean;
}

/** The instructions to the caller. */
export interface HonestOrder {
  readonly grpcAddress: string;
  readonly httpUrl: string;
  readonly token: string;
  readonly questions: readonly HonestQuestion[];
  readonly perSecond: number;
  readonly deadlineMs: number;
  /** The certificate authority of the service, in PEM; null in the clear. */
  readonly ca: string | null;
}

/** One call of the honest caller. */
export interface HonestCall {
  /** When it was due, in milliseconds since 1970. */
  readonly at: number;
  /** From then to its answer. */
  readonly ms: number;
  readonly way: 'grpc' | 'json' | 'new';
  /** Null when it was answered as it had to be. */
  readonly failure: string | null;
}

export interface HonestCaller {
  /** Waits for the calls under way and returns all calls. */
  end(): Promise<readonly HonestCall[]>;
  stop(): Promise<void>;
}

/** Starts the caller; resolves once each question was answered, and the steady calls begin. */
export async function startHonestCaller(cores: string | null, order: HonestOrder): Promise<HonestCaller> {
  const child = startChild(cores, '../siege/honest.ts', []);
  try {
    await child.ask(order);
  } catch (error) {
    await child.stop();
    throw error;
  }
  return { end: () => child.ask<readonly HonestCall[]>('end'), stop: child.stop };
}
