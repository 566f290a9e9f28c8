/** ListPermissions: every permission that the facts of the target grant. */
import { create } from '@bufbuild/protobuf';
import {
  type ListPermissionsRequest,
  type ListPermissionsResponse,
  ListPermissionsResponseSchema,
} from '../../gen/assent/auth/v1/auth_service_pb.ts';
import { listPermissions as permissionsOf } from '../policy/list.ts';
import { checkTarget, readFacts, resolveTarget, Violations } from './request.ts';
import { reasonMessage, sourceMessage, timestampFromMillis } from './response.ts';
import type { Caller, Services } from './services.ts';

export async function listPermissions(
  services: Services,
  request: ListPermissionsRequest,
  caller: Caller,
): Promise<ListPermissionsResponse> {
  const violations = new Violations();
  checkTarget(request, violations);
  violations.reject();
  const target = await resolveTarget(request, services.verifier);
  if (target.kind === 'denied') {
    return create(ListPermissionsResponseSchema, {
      reason: reasonMessage[target.reason],
      source: sourceMessage.token,
      computedAt: timestampFromMillis(services.clock.now()),
    });
  }
  const { facts, tier, readAt } = await readFacts(request, target, services.cache, caller);
  const asker = { userId: target.userId, scopes: target.principal?.client?.scopes ?? null };
  const listed = permissionsOf(services.policy(), facts, asker, services.clock.now());
  return create(ListPermissionsResponseSchema, {
    roles: [...listed.roles],
    permissions: [...listed.permissions],
    reason: reasonMessage[listed.reason],
    source: sourceMessage[tier],
    computedAt: timestampFromMillis(readAt),
  });
}
