/**
 * Checks of fields, with the proto path of the field in the error. Pure. Checks collect what is wrong, so that one error
 * names everything; nothing is allocated for a request that is well.
 */

import { type PermissionName, parsePermission } from '@assent/policy-format';
import { AssentError, type FieldViolation } from '../errors.ts';

/** Longest token that is looked at, in bytes. */
const MAX_TOKEN_BYTES = 8_192;
/** Longest id, slug and e-mail address, in bytes. */
const MAX_ID_BYTES = 512;
const MAX_PERMISSION_BYTES = 256;
const MAX_PAGE_TOKEN_BYTES = 2_048;

/** What is wrong with a request so far. */
export class Violations {
  readonly #check: number | null;
  #found: FieldViolation[] | null = null;

  /** @param check The place of the request among the checks of a batch; null for one that stands alone. */
  constructor(check: number | null = null) {
    this.#check = check;
  }

  add(field: string, description: string): void {
    this.#found ??= [];
    this.#found.push({ field: this.#check === null ? field : `checks[${this.#check}].${field}`, description });
  }

  /** @throws {AssentError} INVALID_ARGUMENT with everything that was found. */
  reject(): void {
    if (this.#found === null) return;
    const message = this.#found.map(({ field, description }) => `${field}: ${description}`).join(' ');
    throw new AssentError('INVALID_ARGUMENT', message, { violations: this.#found });
  }
}

const tooLong = (value: string, maxBytes: number): boolean =>
  // A UTF-16 unit is at most three bytes of UTF-8: most values need no counting.
  value.length * 3 > maxBytes && Buffer.byteLength(value) > maxBytes;

const checkText = (violations: Violations, field: string, value: string, maxBytes: number): boolean => {
  if (value === '') violations.add(field, 'must not be empty.');
  else if (!value.isWellFormed()) violations.add(field, 'must be valid UTF-8.');
  else if (tooLong(value, maxBytes)) violations.add(field, `must be at most ${maxBytes} bytes long.`);
  else return true;
  return false;
};

/** An id, a slug or an e-mail address: not empty and not too long. Whether it exists is the database's to say. */
export const checkId = (violations: Violations, field: string, value: string): void => {
  checkText(violations, field, value, MAX_ID_BYTES);
};

/** Whether a text could be an id. */
export const isId = (value: string): boolean => {
  const violations = new Violations();
  return checkText(violations, 'id', value, MAX_ID_BYTES);
};

/** The text of a token, without judging it. */
export const checkToken = (violations: Violations, field: string, value: string): void => {
  checkText(violations, field, value, MAX_TOKEN_BYTES);
};

const NO_PERMISSION: PermissionName = { resource: '', action: '' };

/**
 * Permissions that were taken apart before: an application asks for the same few again and again, and their parts are then
 * the same strings, whose hashes are known. Bounded, since callers name what they like.
 */
const takenApart = new Map<string, PermissionName>();
const MAX_TAKEN_APART = 1_000;

/** A permission, as `resource:action`; taken apart when it is one. */
export const checkPermissionName = (violations: Violations, field: string, value: string): PermissionName => {
  const known = takenApart.get(value);
  if (known !== undefined) return known;
  if (!checkText(violations, field, value, MAX_PERMISSION_BYTES)) return NO_PERMISSION;
  const permission = parsePermission(value);
  if (permission === null) {
    violations.add(field, 'must be resource:action, for example leave:approve, without wildcards.');
    return NO_PERMISSION;
  }
  if (takenApart.size === MAX_TAKEN_APART) takenApart.clear();
  takenApart.set(value, permission);
  return permission;
};

/** A page size: 0 stands for 50. */
export const checkPageSize = (violations: Violations, field: string, value: number): number => {
  if (value < 0 || value > 500) violations.add(field, 'must be from 1 to 500, or 0 for 50.');
  return value === 0 ? 50 : value;
};

/** The text of a page token; its content is checked where it is read. */
export const checkPageToken = (violations: Violations, field: string, value: string): void => {
  if (tooLong(value, MAX_PAGE_TOKEN_BYTES)) violations.add(field, 'is not one of this service.');
};
