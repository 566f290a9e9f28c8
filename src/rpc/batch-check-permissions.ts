/** BatchCheckPermissions: each check as CheckPermission would answer it, in order. */
import { setImmediate } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import {
  type BatchCheckPermissionsRequest,
  type BatchCheckPermissionsResponse,
  type BatchCheckPermissionsResult,
  CheckErrorSchema,
  type CheckPermissionResponse,
} from '../../gen/assent/auth/v1/auth_service_pb.ts';
import { invalidArgument } from '../errors.ts';
import { stripBearer, type TokenVerifier } from '../token/principal.ts';
import { checkPermission } from './check-permission.ts';
import { errorReason, errorStatus } from './errors.ts';
import { batchMessage, batchResultMessage } from './messages.ts';
import type { Caller, Services } from './services.ts';

export const MAX_CHECKS = 500;

/** @throws {AssentError} INVALID_ARGUMENT unless a batch may have so many checks. */
export const refuseCount = (checks: number): void => {
  if (checks > 0 && checks <= MAX_CHECKS) return;
  const has = checks === 0 ? 'none' : 'more';
  throw invalidArgument('checks', `must have 1 to ${MAX_CHECKS} checks; this request has ${has}.`);
};

/** Distinct tokens that are verified before others have their turn: each may take the event loop for 70 us. */
const TOKENS_IN_ONE_TURN = 8;

/** Verifies each distinct token once for the batch; nothing is kept after it. */
const verifyOnce = (verifier: TokenVerifier): TokenVerifier => {
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
      // As it came: the verifier takes one `Bearer` off, and must not find a second one.
      const known = verified.get(bare) ?? verify(token);
      verified.set(bare, known);
      return known;
    },
  };
};

/**
 * Answers at once when every check does.
 * @param onDefect Reports an error that is not the caller's; its text is for the log only.
 */
export const batchCheckPermissions = (
  services: Services,
  request: BatchCheckPermissionsRequest,
  caller: Caller,
  onDefect: (error: unknown) => void,
): BatchCheckPermissionsResponse | Promise<BatchCheckPermissionsResponse> => {
  const { checks } = request;
  refuseCount(checks.length);
  const verifier = verifyOnce(services.verifier);
  const results: BatchCheckPermissionsResult[] = [];
  const waiting: Promise<void>[] = [];
  const failed = (error: unknown): BatchCheckPermissionsResult => {
    const status = errorStatus(error, onDefect);
    const value = create(CheckErrorSchema, { code: status.code, message: status.message, reason: errorReason(error) });
    return batchResultMessage({ case: 'error', value });
  };
  const place = async (index: number, response: Promise<CheckPermissionResponse>): Promise<void> => {
    try {
      results[index] = batchResultMessage({ case: 'response', value: await response });
    } catch (error) {
      results[index] = failed(error);
    }
  };
  for (const [index, check] of checks.entries()) {
    try {
      const response = checkPermission(services, check, caller, index, verifier);
      if (response instanceof Promise) waiting.push(place(index, response));
      else results[index] = batchResultMessage({ case: 'response', value: response });
    } catch (error) {
      results[index] = failed(error);
    }
  }
  return waiting.length === 0 ? batchMessage(results) : Promise.all(waiting).then(() => batchMessage(results));
};
