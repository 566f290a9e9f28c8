/** CheckPermission: the target, its facts from the nearest tier, then the pure decision. */
import type { PermissionName } from '@assent/policy-format';
import type { CheckPermissionRequest, CheckPermissionResponse } from '../../gen/assent/auth/v1/auth_service_pb.ts';
import { andThen } from '../and-then.ts';
import type { FactsReading } from '../facts/cache.ts';
import { type Decision, decide, type Question } from '../policy/decide.ts';
import type { Principal } from '../token/principal.ts';
import { type CheckTarget, checkPermissionName, checkTarget, readFacts, resolveTarget, Violations } from './request.ts';
import { checkPermissionMessage } from './response.ts';
import type { Caller, DecisionSource, Services } from './services.ts';

/**
 * Answers at once where the facts are in memory.
 * @param check The place of the request within a batch; null for a single request.
 * @param verifier Verifies the token of the request, if it has one.
 */
export function checkPermission(
  services: Services,
  request: CheckPermissionRequest,
  caller: Caller,
  check: number | null = null,
  verifier = services.verifier,
): CheckPermissionResponse | Promise<CheckPermissionResponse> {
  const violations = new Violations(check);
  checkTarget(request, violations);
  const permission = checkPermissionName(violations, 'permission', request.permission);
  violations.reject();
  return andThen(resolveTarget(request, verifier), answerFor, new Call(services, request, caller, permission));
}

function answerFor(target: CheckTarget, call: Call): CheckPermissionResponse | Promise<CheckPermissionResponse> {
  call.principal = target.principal;
  if (target.kind === 'denied') {
    const denial = { allowed: false, reason: target.reason, roles: [], grantedBy: '' };
    return respond(call, denial, 'token', call.services.clock.now());
  }
  call.userId = target.userId;
  call.scopes = target.principal?.client?.scopes ?? null;
  return andThen(readFacts(call.request, target, call.services.cache, call.caller), answerBy, call);
}

function answerBy({ facts, tier, readAt }: FactsReading, call: Call): CheckPermissionResponse {
  const { services } = call;
  return respond(call, decide(services.policy(), facts, call, services.clock.now()), tier, readAt);
}

function respond(
  { services, principal }: Call,
  decision: Decision,
  source: DecisionSource,
  computedAt: number,
): CheckPermissionResponse {
  services.onDecision(decision.reason, source);
  return checkPermissionMessage(decision, source, computedAt, principal);
}

/** A call and its question. Its state stands in fields: closures would be made for every answer from memory. */
class Call implements Question {
  readonly services: Services;
  readonly request: CheckPermissionRequest;
  readonly caller: Caller;
  readonly resource: string;
  readonly action: string;
  userId = '';
  scopes: readonly string[] | null = null;
  principal: Principal | null = null;

  constructor(
    services: Services,
    request: CheckPermissionRequest,
    caller: Caller,
    { resource, action }: PermissionName,
  ) {
    this.services = services;
    this.request = request;
    this.caller = caller;
    this.resource = resource;
    this.action = action;
  }
}
