/** CheckPermission: facts from the nearest tier, then the pure decision. */

import type { PermissionName } from '@assent/policy-format';
import type { CheckPermissionRequest, CheckPermissionResponse } from '../../gen/assent/auth/v1/auth_service_pb.ts';
import type { FactsReading } from '../facts/cache.ts';
import { type Decision, decide } from '../policy/decide.ts';
import type { Principal } from '../token/principal.ts';
import { checkPermissionMessage } from './messages.ts';
import { type Asked, checkQuestion, readAsked, resolveAsked } from './question.ts';
import type { Caller, DecisionSource, Services } from './services.ts';
import { checkPermissionName, Violations } from './validate.ts';

type Answer = CheckPermissionResponse | Promise<CheckPermissionResponse>;

const respond = (
  services: Services,
  decision: Decision,
  source: DecisionSource,
  computedAt: number,
  principal: Principal | null,
): CheckPermissionResponse => {
  services.onDecision(decision.reason, source);
  return checkPermissionMessage(decision, source, computedAt, principal);
};

const decideBy = (
  services: Services,
  { key, principal }: Asked & { kind: 'facts' },
  { resource, action }: PermissionName,
  { facts, tier, readAt }: FactsReading,
): CheckPermissionResponse => {
  const question = { userId: key.userId, scopes: principal?.client?.scopes ?? null, resource, action };
  return respond(services, decide(services.policy(), facts, question, services.clock.now()), tier, readAt, principal);
};

const answer = (
  services: Services,
  request: CheckPermissionRequest,
  caller: Caller,
  permission: PermissionName,
  asked: Asked,
): Answer => {
  if (asked.kind === 'denied') {
    const denial = { allowed: false, reason: asked.reason, roles: [], grantedBy: '' };
    return respond(services, denial, 'token', services.clock.now(), asked.principal);
  }
  const reading = readAsked(request, asked.key, services, caller);
  return reading instanceof Promise
    ? reading.then((late) => decideBy(services, asked, permission, late))
    : decideBy(services, asked, permission, reading);
};

/**
 * Answers at once where the facts are in memory.
 * @param check The place of the request within a batch; null for one that stands alone.
 * @param verifier Judges its token, if it has one.
 */
export const checkPermission = (
  services: Services,
  request: CheckPermissionRequest,
  caller: Caller,
  check: number | null = null,
  verifier = services.verifier,
): Answer => {
  const violations = new Violations(check);
  checkQuestion(request, violations);
  const permission = checkPermissionName(violations, 'permission', request.permission);
  violations.reject();
  const asked = resolveAsked(request, verifier);
  return asked instanceof Promise
    ? asked.then((late) => answer(services, request, caller, permission, late))
    : answer(services, request, caller, permission, asked);
};
