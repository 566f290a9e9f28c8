/** Who is asked about, and where: the part that CheckPermission and ListPermissions share. */
import type { CheckPermissionRequest, ListPermissionsRequest } from '../../gen/assent/auth/v1/auth_service_pb.ts';
import { Consistency } from '../../gen/assent/auth/v1/auth_service_pb.ts';
import type { FactsReading } from '../facts/cache.ts';
import type { FactsKey } from '../policy/facts.ts';
import type { Principal, TokenVerifier } from '../token/principal.ts';
import type { Caller, Services } from './services.ts';
import { checkId, checkToken, type Violations } from './validate.ts';

// proto3 enums are open: a number that this version does not know arrives as it is.
const CONSISTENCIES: ReadonlySet<number> = new Set(Object.values(Consistency));

type Request = Pick<CheckPermissionRequest | ListPermissionsRequest, 'subject' | 'scope' | 'consistency'>;

/** Checks subject, scope and consistency, without any I/O. */
export const checkQuestion = ({ subject, scope, consistency }: Request, violations: Violations): void => {
  if (subject.case === undefined) violations.add('subject', 'set user_id or token.');
  else if (subject.case === 'userId') checkId(violations, 'user_id', subject.value);
  else checkToken(violations, 'token', subject.value);
  if (scope.case === 'organizationId' && scope.value !== '') {
    checkId(violations, 'organization_id', scope.value);
  } else if (scope.case !== 'platform' && subject.case === 'userId') {
    violations.add('organization_id', 'set organization_id, or platform: a user_id has no active organization.');
  }
  if (!CONSISTENCIES.has(consistency)) {
    violations.add('consistency', 'must be CONSISTENCY_CACHED or CONSISTENCY_FULL.');
  }
};

/** What the question is about. */
export type Asked =
  | { readonly kind: 'facts'; readonly key: FactsKey; readonly principal: Principal | null }
  /** The token alone decides: no facts are needed. */
  | { readonly kind: 'denied'; readonly reason: 'USER_INACTIVE' | 'NO_ORGANIZATION'; readonly principal: Principal };

const askedBy = (request: Request, principal: Principal): Asked => {
  if (!principal.isActive) return { kind: 'denied', reason: 'USER_INACTIVE', principal };
  const { scope } = request;
  if (scope.case === 'platform') {
    return { kind: 'facts', key: { userId: principal.userId, organizationId: null }, principal };
  }
  const organizationId = scope.value === undefined || scope.value === '' ? principal.organizationId : scope.value;
  if (organizationId === '') return { kind: 'denied', reason: 'NO_ORGANIZATION', principal };
  return { kind: 'facts', key: { userId: principal.userId, organizationId }, principal };
};

/**
 * Resolves a checked request: at once for a user id and for most tokens, so that an answer from memory needs no promise.
 * @throws {AssentError} when the token does not verify, or rejects with it.
 */
export const resolveAsked = (request: Request, verifier: TokenVerifier): Asked | Promise<Asked> => {
  const { subject, scope } = request;
  if (subject.case === 'userId') {
    const organizationId = scope.case === 'organizationId' ? scope.value : null;
    return { kind: 'facts', key: { userId: subject.value, organizationId }, principal: null };
  }
  const verified = verifier.verify(subject.value ?? '');
  return verified instanceof Promise
    ? verified.then(({ principal }) => askedBy(request, principal))
    : askedBy(request, verified.principal);
};

/** Reads the facts as fresh as the request wants them. */
export const readAsked = (
  request: Request,
  key: FactsKey,
  services: Services,
  caller: Caller,
): FactsReading | Promise<FactsReading> => services.cache.read(key, request.consistency === Consistency.FULL, caller);
