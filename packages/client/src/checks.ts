/** Checks as calls: alone, or together with the others of their tick. */
import { fromBinary } from '@bufbuild/protobuf';
import {
  BatchCheckPermissionsResponseSchema,
  CheckPermissionResponseSchema,
} from '../../../gen/assent/auth/v1/auth_service_pb.ts';
import { decisionOf } from './answers.ts';
import { planBatches } from './batch.ts';
import { createBudget } from './budget.ts';
import { encodeBatch } from './encode.ts';
import { AssentError } from './errors.ts';
import { errorOf } from './status-error.ts';
import type { Decision } from './types.ts';

type Done<Answer> = (error: unknown, answer: Answer | null) => void;
/** Starts a call. @returns a function that ends it. */
export type Send = (method: string, message: Buffer, timeoutMs: number | null, done: Done<Uint8Array>) => () => void;

/** A question, with all who ask it. */
interface Check {
  readonly key: string;
  readonly message: Buffer;
  readonly askers: Set<Done<Decision>>;
  /** Ends the calls that ask it, once all askers have left. */
  left: (() => void) | null;
}

/**
 * A batch without an answer for so long is given up as such: its checks are asked one by one beside it, so that a check from memory
 * does not wait for another that is read from a slow PostgreSQL.
 */
const BATCH_CAP_MS = 20;
const MAX_SPLIT = 64;

export interface Checks {
  /** @param key Equal for equal questions. @returns a function by which the asker leaves. */
  ask(key: string, message: Buffer, timeoutMs: number | null, done: Done<Decision>): () => void;
}

/** @param batching Whether checks of one tick go together. */
export function createChecks(send: Send, batching: boolean): Checks {
  let tick = new Map<string, Check>();
  const splits = createBudget(1 / 10);
  let underWay = 0;

  const alone = (message: Buffer, timeoutMs: number | null, done: Done<Decision>): (() => void) =>
    send('CheckPermission', message, timeoutMs, (error, answer) => {
      if (answer === null) done(error, null);
      else done(null, decisionOf(fromBinary(CheckPermissionResponseSchema, answer)));
    });

  const flush = (): void => {
    const checks = [...tick.values()].filter(({ askers }) => askers.size > 0);
    tick = new Map();
    for (const batch of planBatches(checks)) {
      const [first] = batch;
      if (batch.length > 1) together(batch);
      else if (first !== undefined)
        first.left = alone(first.message, null, (error, answer) => settle(first, error, answer));
    }
  };

  const together = (batch: readonly Check[]): void => {
    let open = batch.length;
    let singles: (() => void)[] = [];
    underWay += batch.length;
    for (const _ of batch) splits.called();
    const timer = setTimeout(() => {
      if (batch.length > MAX_SPLIT || !splits.take(underWay, batch.length)) return;
      singles = batch
        .filter(({ askers }) => askers.size > 0)
        .map((check) => alone(check.message, null, (error, answer) => answer !== null && settle(check, error, answer)));
    }, BATCH_CAP_MS);
    const stop = send(
      'BatchCheckPermissions',
      encodeBatch(batch.map(({ message }) => message)),
      null,
      (error, answer) => {
        clearTimeout(timer);
        underWay -= batch.length;
        const results = answer === null ? [] : fromBinary(BatchCheckPermissionsResponseSchema, answer).results;
        for (const [index, check] of batch.entries()) {
          const outcome = results[index]?.outcome;
          if (answer === null) settle(check, error, null);
          else if (outcome?.case === 'response') settle(check, null, decisionOf(outcome.value));
          else if (outcome?.case === 'error') {
            settle(check, errorOf(outcome.value.code, outcome.value.reason, outcome.value.message), null);
          } else settle(check, new AssentError('UNAVAILABLE', 'INTERNAL', 'a check of a batch has no answer'), null);
        }
        for (const single of singles) single();
      },
    );
    for (const check of batch) {
      check.left = () => {
        open -= 1;
        if (open === 0) {
          clearTimeout(timer);
          stop();
          for (const single of singles) single();
        }
      };
    }
  };

  return {
    ask: (key, message, timeoutMs, done) => {
      // A batch has one time for all its checks, so that an own one means an own call.
      if (!batching || timeoutMs !== null) return alone(message, timeoutMs, done);
      let check = tick.get(key);
      if (check === undefined) {
        if (tick.size === 0) process.nextTick(flush);
        check = { key, message, askers: new Set(), left: null };
        tick.set(key, check);
      }
      const asked = check;
      asked.askers.add(done);
      return () => {
        if (asked.askers.delete(done) && asked.askers.size === 0) asked.left?.();
      };
    },
  };
}

function settle(check: Check, error: unknown, answer: Decision | null): void {
  for (const asker of check.askers) asker(error, answer);
  check.askers.clear();
}
