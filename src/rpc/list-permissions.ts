/** ListPermissions: everything the same facts grant. */
import { create } from '@bufbuild/protobuf';
import {
  type ListPermissionsRequest,
  type ListPermissionsResponse,
  ListPermissionsResponseSchema,
} from '../../gen/assent/auth/v1/auth_service_pb.ts';
import { listPermissions as permissionsOf } from '../policy/list.ts';
import { reasonMessage, sourceMessage, timestampFromMillis } from './messages.ts';
import { checkQuestion, readAsked, resolveAsked } from './question.ts';
import type { Caller, Services } from './services.ts';
import { Violations } from './validate.ts';

export const listPermissions = async (
  services: Services,
  request: ListPermissionsRequest,
  caller: Caller,
): Promise<ListPermissionsResponse> => {
  const violations = new Violations();
  checkQuestion(request, violations);
  violations.reject();
  const asked = await resolveAsked(request, services.verifier);
  if (asked.kind === 'denied') {
    return create(ListPermissionsResponseSchema, {
      reason: reasonMessage[asked.reason],
      source: sourceMessage.token,
      computedAt: timestampFromMillis(services.clock.now()),
    });
  }
  const { facts, tier, readAt } = await readAsked(request, asked.key, services, caller);
  const { key, principal } = asked;
  const asker = { userId: key.userId, scopes: principal?.client?.scopes ?? null };
  const listed = permissionsOf(services.policy(), facts, asker, services.clock.now());
  return create(ListPermissionsResponseSchema, {
    roles: [...listed.roles],
    permissions: [...listed.permissions],
    reason: reasonMessage[listed.reason],
    source: sourceMessage[tier],
    computedAt: timestampFromMillis(readAt),
  });
};
