/** Requests of checks as bytes. By hand: this is the hot path, and the message has six fields. */
import type { CheckedTarget } from './arguments.ts';

/** Of CheckPermissionRequest: `user_id`, `token`, `organization_id`, `platform`, `permission`, `consistency`. */
const [USER, TOKEN, ORGANIZATION, PLATFORM, PERMISSION, CONSISTENCY] = [0x0a, 0x12, 0x1a, 0x22, 0x2a, 0x30];
const FULL = 2;
const CHECKS = 0x0a;
/** A field's tag, and its length or value. */
const MAX_FIELD_HEAD = 6;

/** A CheckPermissionRequest. */
export function encodeCheck(target: CheckedTarget, permission: string, full: boolean): Buffer {
  const subject = target.user ?? target.token ?? '';
  const organization = target.organization ?? '';
  // UTF-8 has at most three bytes for one unit of UTF-16.
  const bytes = Buffer.allocUnsafe((subject.length + organization.length + permission.length) * 3 + 5 * MAX_FIELD_HEAD);
  let end = writeText(bytes, 0, target.user === null ? TOKEN : USER, subject);
  if (organization !== '') end = writeText(bytes, end, ORGANIZATION, organization);
  else if (target.platform) {
    bytes[end] = PLATFORM;
    bytes[end + 1] = 0;
    end += 2;
  }
  end = writeText(bytes, end, PERMISSION, permission);
  if (full) {
    bytes[end] = CONSISTENCY;
    bytes[end + 1] = FULL;
    end += 2;
  }
  return bytes.subarray(0, end);
}

/** A BatchCheckPermissionsRequest of checks that are encoded. */
export function encodeBatch(checks: readonly Buffer[]): Buffer {
  const bytes = Buffer.allocUnsafe(checks.reduce((sum, check) => sum + check.length + MAX_FIELD_HEAD, 0));
  let end = 0;
  for (const check of checks) {
    bytes[end] = CHECKS;
    end = writeVarint(bytes, end + 1, check.length);
    end += check.copy(bytes, end);
  }
  return bytes.subarray(0, end);
}

function writeText(bytes: Buffer, start: number, tag: number, text: string): number {
  bytes[start] = tag;
  // Texts up to 42 units have a length of one byte, however they are encoded.
  if (text.length <= 42) {
    const length = bytes.write(text, start + 2, 'utf8');
    bytes[start + 1] = length;
    return start + 2 + length;
  }
  const from = writeVarint(bytes, start + 1, Buffer.byteLength(text));
  return from + bytes.write(text, from, 'utf8');
}

function writeVarint(bytes: Buffer, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest > 0x7f) {
    bytes[at] = (rest & 0x7f) | 0x80;
    at += 1;
    rest >>>= 7;
  }
  bytes[at] = rest;
  return at + 1;
}
