import { describe, expect, it } from 'vitest';
import {
  checkId,
  checkPageSize,
  checkPageToken,
  checkPermissionName,
  checkToken,
  Violations,
} from '../../../src/rpc/request.ts';

it('permissions are parsed alike after any number of others, and a malformed one is refused each time', () => {
  for (let round = 0; round < 2; round += 1) {
    for (let index = 0; index < 2_500; index += 1) {
      const violations = new Violations();
      expect(checkPermissionName(violations, 'permission', `r${index}:a${index % 7}`)).toEqual({
        resource: `r${index}`,
        action: `a${index % 7}`,
      });
      violations.reject();
    }
    for (const refused of ['*:read', 'read', ':', 'a:b:c', 'a:\0', '', '\ud800:a']) {
      const violations = new Violations();
      checkPermissionName(violations, 'permission', refused);
      expect(() => violations.reject()).toThrow('permission:');
    }
  }
});

describe('the bound of a field', () => {
  /** What a check says of a value; null when it is well. */
  const said = (check: (violations: Violations) => unknown): string | null => {
    const violations = new Violations();
    check(violations);
    try {
      violations.reject();
      return null;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  };
  const permission = (violations: Violations, field: string, value: string): unknown =>
    checkPermissionName(violations, field, `a:${value.slice(2)}`);

  it.each<readonly [string, number, (violations: Violations, field: string, value: string) => unknown]>([
    ['must be at most 512 bytes long.', 512, checkId],
    ['must be at most 8192 bytes long.', 8_192, checkToken],
    ['must be at most 256 bytes long.', 256, permission],
    ['is not one of this service.', 2_048, checkPageToken],
  ])('the bound of a field is enforced with the message: %s', (message, bytes, check) => {
    expect(said((violations) => check(violations, 'field', 'x'.repeat(bytes)))).toBeNull();
    expect(said((violations) => check(violations, 'field', 'x'.repeat(bytes + 1)))).toBe(`field: ${message}`);
    // Of bytes and not of characters, of which the euro sign has three and a key has four.
    for (const character of ['\u20ac', '\u{1f511}']) {
      const most = Math.floor((bytes - 2) / Buffer.byteLength(character));
      const well = `ab${character.repeat(most)}`;
      expect(said((violations) => check(violations, 'field', well))).toBeNull();
      expect(said((violations) => check(violations, 'field', well + character))).toBe(`field: ${message}`);
    }
  });

  it('a page size is from 1 to 500, and 0 means 50', () => {
    const sizes = [1, 50, 499, 500, 0].map((size) => checkPageSize(new Violations(), 'page_size', size));
    expect(sizes).toEqual([1, 50, 499, 500, 50]);
    for (const size of [-1, 501, 2 ** 31 - 1, -(2 ** 31)]) {
      expect(said((violations) => checkPageSize(violations, 'page_size', size))).toBe(
        'page_size: must be from 1 to 500, or 0 for 50.',
      );
    }
  });
});
