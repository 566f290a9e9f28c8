/** Calls of AuthService by name and bytes: caller token, deadline, telemetry. */
import { Metadata } from '@grpc/grpc-js';
import { createBudget } from './budget.ts';
import { type Calls, UnaryCall } from './call.ts';
import type { Send } from './checks.ts';
import { AssentError } from './errors.ts';
import type { AssentOptions } from './options.ts';
import { closedError, Pool } from './pool.ts';
import { createTelemetry } from './telemetry.ts';

export interface Transport {
  readonly send: Send;
  /** Waits for a replica that serves. */
  ready(timeoutMs: number | null, done: (error: unknown, answer: null) => void): () => void;
  close(): void;
}

const TIMEOUT_MS = 1_000;
const MAX_TIMEOUT_MS = 600_000;

/** @throws {AssentError} `MISCONFIGURED` for options that are malformed. */
export function createTransport(options: AssentOptions): Transport {
  if (typeof options !== 'object' || options === null) {
    throw new AssentError('MISCONFIGURED', 'ADDRESS_MISSING', 'createAssent needs { address }');
  }
  const ownTimeout = options.timeoutMs === undefined ? TIMEOUT_MS : timeoutOf(options.timeoutMs);
  const metadataNow = callerMetadata(options.token);
  const pool = new Pool(options);
  const calls: Calls = {
    pool,
    hedges: createBudget(1 / 10),
    retries: createBudget(1 / 5),
    underWay: new Set(),
  };
  const observe = createTelemetry();
  let closed = false;

  return {
    send: (method, message, timeoutMs, done) => {
      const deadline = Date.now() + (timeoutMs ?? ownTimeout);
      let call: UnaryCall | null = null;
      let left = false;
      const start = (metadata: Metadata): void => {
        if (left) return;
        if (closed) {
          done(closedError(), null);
          return;
        }
        const observed = observe(method, metadata);
        call = new UnaryCall(
          calls,
          PATHS[method] ?? `${SERVICE}${method}`,
          message,
          observed.metadata,
          deadline,
          (error, answer) => {
            observed.ended(error);
            if (!left) done(error, answer);
          },
        );
      };
      try {
        const metadata = metadataNow();
        if (metadata instanceof Metadata) start(metadata);
        else metadata.then(start).catch((error: unknown) => !left && done(tokenError(error), null));
      } catch (error) {
        done(tokenError(error), null);
      }
      return () => {
        left = true;
        call?.cancel('left');
      };
    },
    ready: (timeoutMs, done) => {
      const timer = setTimeout(() => {
        pool.leave(waiter);
        done(new AssentError('UNAVAILABLE', 'DEADLINE_EXCEEDED', `no replica serves: ${pool.why}`), null);
      }, timeoutMs ?? ownTimeout);
      const waiter = {
        connected: () => {
          clearTimeout(timer);
          done(null, null);
        },
        failed: (error: AssentError) => {
          clearTimeout(timer);
          done(error, null);
        },
      };
      if (pool.pick(null) === null) pool.wait(waiter);
      else waiter.connected();
      return () => {
        clearTimeout(timer);
        pool.leave(waiter);
      };
    },
    close: () => {
      closed = true;
      for (const call of calls.underWay) call.cancel();
      pool.close();
    },
  };
}

/** @throws {AssentError} `MISCONFIGURED`. */
export function timeoutOf(timeoutMs: number): number {
  if (Number.isFinite(timeoutMs) && timeoutMs > 0) return Math.min(timeoutMs, MAX_TIMEOUT_MS);
  throw new AssentError(
    'MISCONFIGURED',
    'TIMEOUT_MALFORMED',
    `timeoutMs is a positive number of milliseconds, not ${timeoutMs}`,
  );
}

const SERVICE = '/assent.auth.v1.AuthService/';
const PATHS: Readonly<Record<string, string>> = {
  CheckPermission: `${SERVICE}CheckPermission`,
  BatchCheckPermissions: `${SERVICE}BatchCheckPermissions`,
};

/** The metadata of the next call; made once for each token. */
function callerMetadata(token: AssentOptions['token']): () => Metadata | Promise<Metadata> {
  if (token === undefined) {
    const none = new Metadata();
    return () => none;
  }
  let known = '';
  let made = new Metadata();
  const of = (text: unknown): Metadata => {
    if (text === known && known !== '') return made;
    if (typeof text !== 'string' || text === '' || !/^[\x21-\x7e]+$/.test(text)) {
      throw new AssentError('MISCONFIGURED', 'CALLER_TOKEN_MALFORMED', 'token is empty or has characters of no token');
    }
    made = new Metadata();
    made.set('authorization', `Bearer ${text}`);
    known = text;
    return made;
  };
  if (typeof token !== 'function') {
    const fixed = of(token);
    return () => fixed;
  }
  return () => {
    const text = token();
    return typeof text === 'string' ? of(text) : Promise.resolve(text).then(of);
  };
}

function tokenError(error: unknown): AssentError {
  if (error instanceof AssentError) return error;
  const message = `the caller token cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  return new AssentError('UNAVAILABLE', 'CALLER_TOKEN_UNREADABLE', message, { cause: error });
}
