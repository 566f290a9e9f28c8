/** BatchCheckPermissions: the answers of CheckPermission for each check, in order. */
import { setImmediate } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import {
  type BatchCheckPermissionsRequest,
  type BatchCheckPermissionsResponse,
  type BatchCheckPermissionsResult,
  CheckErrorSchema,
  type CheckPermissionResponse,
} from '../../gen/assent/auth/v1/auth_service_pb.ts';
import { stripBearer, type TokenVerifier } from '../token/principal.ts';
import { checkPermission } from './check-permission.ts';
import { checkBatchSize } from './request.ts';
import { batchMessage, batchResultMessage } from './response.ts';
import type { Caller, Services } from './services.ts';
import { errorReason, errorStatus } from './status.ts';

/** Checks that one turn of the event loop sends on to Redis or PostgreSQL: each takes up to 100 us of it. */
const READS_IN_ONE_TURN = 32;

/** Answers at once when every check does. */
export function batchCheckPermissions(
  services: Services,
  request: BatchCheckPermissionsRequest,
  caller: Caller,
): BatchCheckPermissionsResponse | Promise<BatchCheckPermissionsResponse> {
  const { checks } = request;
  checkBatchSize(checks.length);
  const verifier = verifyOnce(services.verifier);
  const results: BatchCheckPermissionsResult[] = [];
  const waiting: Promise<void>[] = [];
  let next = 0;
  const askOnce = (): void => {
    const limit = waiting.length + READS_IN_ONE_TURN;
    for (; next < checks.length && waiting.length < limit; next += 1) ask(next);
  };
  const ask = (index: number): void => {
    const check = checks[index];
    if (check === undefined) return;
    try {
      const response = checkPermission(services, check, caller, index, verifier);
      if (response instanceof Promise) waiting.push(place(results, index, response, caller));
      else results[index] = batchResultMessage({ case: 'response', value: response });
    } catch (error) {
      results[index] = failed(error, caller);
    }
  };
  const askAll = async (): Promise<BatchCheckPermissionsResponse> => {
    for (; next < checks.length; askOnce()) await setImmediate();
    await Promise.all(waiting);
    return batchMessage(results);
  };
  askOnce();
  return waiting.length === 0 ? batchMessage(results) : askAll();
}

/** Puts a late response at its place among the results. */
async function place(
  results: BatchCheckPermissionsResult[],
  index: number,
  response: Promise<CheckPermissionResponse>,
  caller: Caller,
): Promise<void> {
  try {
    results[index] = batchResultMessage({ case: 'response', value: await response });
  } catch (error) {
    results[index] = failed(error, caller);
  }
}

function failed(error: unknown, caller: Caller): BatchCheckPermissionsResult {
  const { code, message } = errorStatus(error, (defect) => caller.onDefect(defect));
  const value = create(CheckErrorSchema, { code, message, reason: errorReason(error) });
  return batchResultMessage({ case: 'error', value });
}

/** Distinct tokens that one turn of the event loop verifies: each takes up to 70 us of it. */
const TOKENS_IN_ONE_TURN = 8;

/** Verifies each distinct token of the batch once. Nothing of a token is kept after the batch. */
function verifyOnce(verifier: TokenVerifier): TokenVerifier {
  const verified = new Map<string, ReturnType<TokenVerifier['verify']>>();
  let turn = Promise.resolve();
  const verify = (token: string): ReturnType<TokenVerifier['verify']> => {
    if (verified.size >= TOKENS_IN_ONE_TURN) {
      turn = turn.then(() => setImmediate());
      return turn.then(() => verifier.verify(token));
    }
    try {
      return verifier.verify(token);
    } catch (error) {
      return Promise.reject(error);
    }
  };
  return {
    verify: (token) => {
      const bare = stripBearer(token);
      // The token as it came: the verifier removes one `Bearer`, and must not remove a second one.
      const known = verified.get(bare) ?? verify(token);
      verified.set(bare, known);
      return known;
    },
  };
}
