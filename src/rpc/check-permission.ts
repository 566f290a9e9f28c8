/** CheckPermission: facts from the nearest tier, then the pure decision. */
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  type CheckPermissionRequest,
  type CheckPermissionResponse,
  CheckPermissionResponseSchema,
} from '../../gen/assent/auth/v1/auth_service_pb.ts';
import type { FactsReading } from '../cache/facts-cache.ts';
import { type Decision, decide } from '../permission/decide.ts';
import type { Principal } from '../token/principal.ts';
import { principalMessage, reasonMessage, sourceMessage } from './messages.ts';
import { type Asked, checkQuestion, readAsked, resolveAsked } from './question.ts';
import type { DecisionSource, Services } from './services.ts';
import { checkPermissionName, Violations } from './validate.ts';

const respond = (
  services: Services,
  decision: Decision,
  source: DecisionSource,
  computedAt: number,
  principal: Principal | null,
): CheckPermissionResponse => {
  services.onDecision(decision.reason, source);
  return create(CheckPermissionResponseSchema, {
    allowed: decision.allowed,
    reason: reasonMessage[decision.reason],
    roles: [...decision.roles],
    grantedBy: decision.grantedBy,
    source: sourceMessage[source],
    computedAt: timestampFromMs(computedAt),
    ...(principal === null ? {} : { principal: principalMessage(principal) }),
  });
};

/** @param check The place of the request within a batch; null for one that stands alone. */
export const checkPermission = (
  services: Services,
  request: CheckPermissionRequest,
  check: number | null = null,
): CheckPermissionResponse | Promise<CheckPermissionResponse> => {
  const violations = new Violations(check);
  checkQuestion(request, violations);
  const { resource, action } = checkPermissionName(violations, 'permission', request.permission);
  violations.reject();

  const decideBy = (asked: Asked & { kind: 'facts' }, { facts, tier, readAt }: FactsReading) => {
    const question = { userId: asked.key.userId, resource, action };
    const decision = decide(services.policy(), facts, question, services.clock.now());
    return respond(services, decision, tier, readAt, asked.principal);
  };
  const answer = (asked: Asked): CheckPermissionResponse | Promise<CheckPermissionResponse> => {
    if (asked.kind === 'denied') {
      const denial = { allowed: false, reason: asked.reason, roles: [], grantedBy: '' };
      return respond(services, denial, 'token', services.clock.now(), asked.principal);
    }
    const reading = readAsked(request, asked.key, services);
    return reading instanceof Promise ? reading.then((late) => decideBy(asked, late)) : decideBy(asked, reading);
  };

  const asked = resolveAsked(request, services.verifier);
  return asked instanceof Promise ? asked.then(answer) : answer(asked);
};
