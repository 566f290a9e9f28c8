/**
 * Checks of requests, and the target that CheckPermission and ListPermissions ask about. Checks collect every problem of a
 * request, so that one error names all of them, each with the proto path of its field.
 */

import { type PermissionName, parsePermission } from '@assent/policy-format';
import type { CheckPermissionRequest, ListPermissionsRequest } from '../../gen/assent/auth/v1/auth_service_pb.ts';
import { Consistency } from '../../gen/assent/auth/v1/auth_service_pb.ts';
import { andThen } from '../and-then.ts';
import { AssentError, type FieldViolation, invalidArgument } from '../errors.ts';
import type { Caller, FactsCache, FactsReading } from '../facts/cache.ts';
import type { FactsKey } from '../policy/facts.ts';
import type { Principal, TokenVerifier, VerifiedToken } from '../token/principal.ts';

/** The subject, the scope and the freshness of a request. */
type TargetRequest = Pick<CheckPermissionRequest | ListPermissionsRequest, 'subject' | 'scope' | 'consistency'>;

/** What a request asks about. */
export type CheckTarget =
  | (FactsKey & { readonly kind: 'facts'; readonly principal: Principal | null })
  /** The token alone decides: no facts are needed. */
  | { readonly kind: 'denied'; readonly reason: 'USER_INACTIVE' | 'NO_ORGANIZATION'; readonly principal: Principal };

/** Checks subject, scope and consistency, without any I/O. */
export function checkTarget({ subject, scope, consistency }: TargetRequest, violations: Violations): void {
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
}

// proto3 enums are open: a number that this version does not know arrives as it is.
const CONSISTENCIES: ReadonlySet<number> = new Set(Object.values(Consistency));

/**
 * Resolves the target of a checked request: at once for a user id and for most tokens, so that an answer from memory needs no
 * promise.
 * @throws {AssentError} when the token does not verify, or rejects with it.
 */
export function resolveTarget(request: TargetRequest, verifier: TokenVerifier): CheckTarget | Promise<CheckTarget> {
  const { subject, scope } = request;
  if (subject.case === 'userId') {
    const organizationId = scope.case === 'organizationId' ? scope.value : null;
    return { kind: 'facts', userId: subject.value, organizationId, principal: null };
  }
  return andThen(verifier.verify(subject.value ?? ''), targetOf, scope);
}

function targetOf({ principal }: VerifiedToken, scope: TargetRequest['scope']): CheckTarget {
  const { userId, isActive } = principal;
  if (!isActive) return { kind: 'denied', reason: 'USER_INACTIVE', principal };
  if (scope.case === 'platform') return { kind: 'facts', userId, organizationId: null, principal };
  const organizationId = scope.value === undefined || scope.value === '' ? principal.organizationId : scope.value;
  if (organizationId === '') return { kind: 'denied', reason: 'NO_ORGANIZATION', principal };
  return { kind: 'facts', userId, organizationId, principal };
}

/** Reads the facts, as fresh as the request requires. */
export function readFacts(
  request: TargetRequest,
  key: FactsKey,
  cache: FactsCache,
  caller: Caller,
): FactsReading | Promise<FactsReading> {
  return cache.read(key, request.consistency === Consistency.FULL, caller);
}

/** The problems of a request. It allocates nothing more for a valid request. */
export class Violations {
  readonly #check: number | null;
  #found: FieldViolation[] | null = null;

  /** @param check The place of the request among the checks of a batch; null for a single request. */
  constructor(check: number | null = null) {
    this.#check = check;
  }

  add(field: string, description: string): void {
    this.#found ??= [];
    this.#found.push({ field: this.#check === null ? field : `checks[${this.#check}].${field}`, description });
  }

  /** @throws {AssentError} INVALID_ARGUMENT with all problems. */
  reject(): void {
    if (this.#found === null) return;
    const message = this.#found.map(({ field, description }) => `${field}: ${description}`).join(' ');
    throw new AssentError('INVALID_ARGUMENT', message, { violations: this.#found });
  }
}

/** The most checks of one batch. */
export const MAX_CHECKS = 500;

/** @throws {AssentError} INVALID_ARGUMENT unless a batch may have this number of checks. */
export function checkBatchSize(checks: number): void {
  if (checks > 0 && checks <= MAX_CHECKS) return;
  const has = checks === 0 ? 'none' : 'more';
  throw invalidArgument('checks', `must have 1 to ${MAX_CHECKS} checks; this request has ${has}.`);
}

/** Longest token, in bytes. */
const MAX_TOKEN_BYTES = 8_192;
/** Longest id, slug and e-mail address, in bytes. */
const MAX_ID_BYTES = 512;
const MAX_PERMISSION_BYTES = 256;
const MAX_PAGE_TOKEN_BYTES = 2_048;

/** Checks an id, a slug or an e-mail address: not empty and not too long. The database knows whether it exists. */
export function checkId(violations: Violations, field: string, value: string): void {
  checkText(violations, field, value, MAX_ID_BYTES);
}

/** Whether a text could be an id. */
export function isId(value: string): boolean {
  return checkText(new Violations(), 'id', value, MAX_ID_BYTES);
}

/** Checks the text of a token, without verifying it. */
export function checkToken(violations: Violations, field: string, value: string): void {
  checkText(violations, field, value, MAX_TOKEN_BYTES);
}

/** Checks a permission, and splits it. */
export function checkPermissionName(violations: Violations, field: string, value: string): PermissionName {
  const known = splitPermissions.get(value);
  if (known !== undefined) return known;
  if (!checkText(violations, field, value, MAX_PERMISSION_BYTES)) return NO_PERMISSION;
  const permission = parsePermission(value);
  if (permission === null) {
    violations.add(field, 'must be resource:action, for example leave:approve, without wildcards.');
    return NO_PERMISSION;
  }
  if (splitPermissions.size === MAX_SPLIT_PERMISSIONS) splitPermissions.clear();
  splitPermissions.set(value, permission);
  return permission;
}

const NO_PERMISSION: PermissionName = { resource: '', action: '' };

/**
 * A cache of valid permissions, for the process: an application asks for the same few names again and again, and gets the
 * same strings for their parts, whose hashes V8 has computed. It is bounded, because callers may send any name.
 */
const splitPermissions = new Map<string, PermissionName>();
const MAX_SPLIT_PERMISSIONS = 1_000;

/** Checks a page size; 0 stands for 50. */
export function checkPageSize(violations: Violations, field: string, value: number): number {
  if (value < 0 || value > 500) violations.add(field, 'must be from 1 to 500, or 0 for 50.');
  return value === 0 ? 50 : value;
}

/** Checks the length of a page token; page-token.ts checks its content. */
export function checkPageToken(violations: Violations, field: string, value: string): void {
  if (tooLong(value, MAX_PAGE_TOKEN_BYTES)) violations.add(field, 'is not one of this service.');
}

function checkText(violations: Violations, field: string, value: string, maxBytes: number): boolean {
  if (value === '') violations.add(field, 'must not be empty.');
  else if (!value.isWellFormed()) violations.add(field, 'must be valid UTF-8.');
  else if (tooLong(value, maxBytes)) violations.add(field, `must be at most ${maxBytes} bytes long.`);
  else return true;
  return false;
}

function tooLong(value: string, maxBytes: number): boolean {
  // A UTF-16 unit is at most three bytes of UTF-8: most values need no counting.
  return value.length * 3 > maxBytes && Buffer.byteLength(value) > maxBytes;
}
