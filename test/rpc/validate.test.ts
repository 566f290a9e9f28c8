import { expect, it } from 'vitest';
import { checkPermissionName, Violations } from '../../src/rpc/validate.ts';

it('takes permissions apart the same however many were asked for before, and refuses what is none each time', () => {
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
