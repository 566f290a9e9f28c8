/** What callers pass, judged before anything is sent. */
import { AssentError } from './errors.ts';
import type { Target } from './types.ts';

/** A target whose parts are known to be well-formed. */
export interface CheckedTarget {
  readonly user: string | null;
  readonly token: string | null;
  readonly organization: string | null;
  readonly platform: boolean;
}

const MAX_ID_BYTES = 512;
const MAX_TOKEN_BYTES = 8_192;
const MAX_PERMISSION_BYTES = 256;

/** @throws {AssentError} naming the part that is wrong. */
export function checkedTarget(target: Target): CheckedTarget {
  if (typeof target !== 'object' || target === null) throw own('TARGET_MISSING', 'the target is no object');
  const { user, token, organization, platform } = target as unknown as Record<string, unknown>;
  if ((user === undefined) === (token === undefined)) {
    throw own('SUBJECT_MISSING', 'the target needs exactly one of user and token');
  }
  if ('organization' in target) {
    if (organization === undefined || organization === null || organization === '') {
      throw own('ORGANIZATION_EMPTY', 'organization is there and empty: leave the key out for the active organization');
    }
    if (platform !== undefined) throw own('SCOPE_AMBIGUOUS', 'the target names an organization and the platform');
    checkId('organization', organization);
  } else if ('platform' in target && platform !== true) throw own('PLATFORM_MALFORMED', 'platform is true or absent');
  if (user !== undefined) {
    if (organization === undefined && platform !== true) {
      throw own('SCOPE_MISSING', 'a target with a user needs an organization or platform: true');
    }
    checkId('user', user);
  } else checkToken(token);
  return {
    user: (user as string | undefined) ?? null,
    token: (token as string | undefined) ?? null,
    organization: (organization as string | undefined) ?? null,
    platform: platform === true,
  };
}

/** @throws {AssentError} `UNAUTHENTICATED` when it is empty or too long. */
export function checkToken(token: unknown): asserts token is string {
  if (typeof token !== 'string') throw own('TOKEN_MALFORMED', 'token is no text');
  if (token === '') throw new AssentError('UNAUTHENTICATED', 'TOKEN_MISSING', 'the token is empty');
  // A header of a request has the bytes of latin1; a character beyond them is never in a JWT.
  if (token.length > MAX_TOKEN_BYTES || Buffer.byteLength(token) > MAX_TOKEN_BYTES) {
    throw new AssentError('UNAUTHENTICATED', 'TOKEN_TOO_LONG', `the token is longer than ${MAX_TOKEN_BYTES} bytes`);
  }
}

/** @throws {AssentError} `INVALID` when it is too long or not UTF-8, `MISCONFIGURED` when it is empty or no text. */
export function checkId(name: string, id: unknown): asserts id is string {
  if (typeof id !== 'string') throw own(`${name.toUpperCase()}_MALFORMED`, `${name} is no text`);
  if (id === '') throw own(`${name.toUpperCase()}_EMPTY`, `${name} is empty`);
  if (id.length * 3 > MAX_ID_BYTES && Buffer.byteLength(id) > MAX_ID_BYTES) {
    throw new AssentError('INVALID', `${name.toUpperCase()}_TOO_LONG`, `${name} is longer than ${MAX_ID_BYTES} bytes`);
  }
  if (LONE_SURROGATE.test(id))
    throw new AssentError('INVALID', `${name.toUpperCase()}_NOT_UTF8`, `${name} is not UTF-8`);
}

/** @throws {AssentError} `MISCONFIGURED`. */
export function checkPermission(permission: unknown): asserts permission is string {
  const known = typeof permission === 'string' && judged.get(permission);
  if (known === true) return;
  if (typeof permission !== 'string' || permission === '') throw own('PERMISSION_MISSING', 'the permission is empty');
  const shown = JSON.stringify(permission.slice(0, 100));
  if (!/^[^:*\s]+:[^:*\s]+$/u.test(permission) || LONE_SURROGATE.test(permission)) {
    throw own('PERMISSION_MALFORMED', `permission ${shown} is not resource:action, for example leave:approve`);
  }
  if (Buffer.byteLength(permission) > MAX_PERMISSION_BYTES) {
    throw own('PERMISSION_MALFORMED', `permission ${shown} is longer than ${MAX_PERMISSION_BYTES} bytes`);
  }
  if (judged.size < 1_000) judged.set(permission, true);
}

/** Permissions are the few names of an application's source. */
const judged = new Map<string, true>();
const LONE_SURROGATE = /\p{Surrogate}/u;

function own(reason: string, message: string): AssentError {
  return new AssentError('MISCONFIGURED', reason, message);
}
