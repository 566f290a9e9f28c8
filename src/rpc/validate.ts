/** Checks of single fields, with the proto path of the field in the error. Pure. */
import { AssentError, type FieldViolation, invalidArgument } from '../errors.ts';
import { parsePermission } from '../permission/permission-name.ts';

/** Longest token that is looked at, in bytes. */
export const MAX_TOKEN_BYTES = 8_192;
/** Longest id, slug and e-mail address, in bytes. */
export const MAX_ID_BYTES = 512;
const MAX_PERMISSION_BYTES = 256;
const MAX_PAGE_TOKEN_BYTES = 2_048;

const tooLong = (value: string, maxBytes: number): boolean =>
  // A UTF-16 unit is at most three bytes of UTF-8: most values need no counting.
  value.length * 3 > maxBytes && Buffer.byteLength(value) > maxBytes;

const requireText = (field: string, value: string, maxBytes: number): string => {
  if (value === '') throw invalidArgument(field, 'must not be empty.');
  if (tooLong(value, maxBytes)) throw invalidArgument(field, `must be at most ${maxBytes} bytes long.`);
  return value;
};

/** An id, a slug or an e-mail address: not empty and not too long. Whether it exists is the database's to say. */
export const requireId = (field: string, value: string): string => requireText(field, value, MAX_ID_BYTES);

/** The text of a token, without judging it. */
export const requireToken = (field: string, value: string): string => requireText(field, value, MAX_TOKEN_BYTES);

/** A permission, as `resource:action`. */
export const requirePermission = (
  field: string,
  value: string,
): { readonly resource: string; readonly action: string } => {
  const permission = parsePermission(requireText(field, value, MAX_PERMISSION_BYTES));
  if (permission === null) {
    throw invalidArgument(field, 'must be resource:action, for example leave:approve, without wildcards.');
  }
  return permission;
};

/** A page size: 0 stands for 50. */
export const requirePageSize = (field: string, value: number): number => {
  if (value < 0 || value > 500) throw invalidArgument(field, 'must be from 1 to 500, or 0 for 50.');
  return value === 0 ? 50 : value;
};

/** The text of a page token; its content is checked where it is read. */
export const requirePageToken = (field: string, value: string): string => {
  if (tooLong(value, MAX_PAGE_TOKEN_BYTES)) throw invalidArgument(field, 'is not one of this service.');
  return value;
};

/** Runs checks and throws one error with all their violations, so that a caller mends a request once. */
export const checkAll = (...checks: readonly (() => void)[]): void => {
  const violations: FieldViolation[] = [];
  for (const check of checks) {
    try {
      check();
    } catch (error) {
      if (!(error instanceof AssentError) || error.code !== 'INVALID_ARGUMENT') throw error;
      violations.push(...error.violations);
    }
  }
  if (violations.length === 0) return;
  const message = violations.map(({ field, description }) => `${field}: ${description}`).join(' ');
  throw new AssentError('INVALID_ARGUMENT', message, { violations });
};
