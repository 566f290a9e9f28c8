/** BatchCheckPermissions: each check as CheckPermission would answer it, in order. */
import { create } from '@bufbuild/protobuf';
import {
  type BatchCheckPermissionsRequest,
  type BatchCheckPermissionsResponse,
  BatchCheckPermissionsResponseSchema,
  type BatchCheckPermissionsResult,
  BatchCheckPermissionsResultSchema,
  CheckErrorSchema,
  type CheckPermissionResponse,
} from '../../gen/assent/auth/v1/auth_service_pb.ts';
import { invalidArgument } from '../errors.ts';
import { stripBearer, type TokenVerifier } from '../token/principal.ts';
import { checkPermission } from './check-permission.ts';
import { errorReason, errorStatus } from './errors.ts';
import type { Services } from './services.ts';

const MAX_CHECKS = 500;

/** Verifies each distinct token once for the batch; nothing is kept after it. */
const verifyOnce = (verifier: TokenVerifier): TokenVerifier => {
  const verified = new Map<string, ReturnType<TokenVerifier['verify']>>();
  return {
    verify: (token) => {
      const bare = stripBearer(token);
      const known = verified.get(bare) ?? verifier.verify(bare);
      verified.set(bare, known);
      return known;
    },
  };
};

const succeeded = (response: CheckPermissionResponse): BatchCheckPermissionsResult =>
  create(BatchCheckPermissionsResultSchema, { outcome: { case: 'response', value: response } });

/** @param onDefect Reports an error that is not the caller's; its text is for the log only. */
export const batchCheckPermissions = async (
  services: Services,
  request: BatchCheckPermissionsRequest,
  onDefect: (error: unknown) => void,
): Promise<BatchCheckPermissionsResponse> => {
  const { checks } = request;
  if (checks.length === 0 || checks.length > MAX_CHECKS) {
    throw invalidArgument('checks', `must have 1 to ${MAX_CHECKS} checks; this request has ${checks.length}.`);
  }
  const failed = (error: unknown): BatchCheckPermissionsResult => {
    const status = errorStatus(error, onDefect);
    const value = create(CheckErrorSchema, { code: status.code, message: status.message, reason: errorReason(error) });
    return create(BatchCheckPermissionsResultSchema, { outcome: { case: 'error', value } });
  };
  const once: Services = { ...services, verifier: verifyOnce(services.verifier) };
  const results = checks.map((check, index): BatchCheckPermissionsResult | Promise<BatchCheckPermissionsResult> => {
    try {
      const response = checkPermission(once, check, index);
      return response instanceof Promise ? response.then(succeeded, failed) : succeeded(response);
    } catch (error) {
      return failed(error);
    }
  });
  return create(BatchCheckPermissionsResponseSchema, { results: await Promise.all(results) });
};
