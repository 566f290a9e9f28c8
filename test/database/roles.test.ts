import { expect, it } from 'vitest';
import { memberRoles, platformRoles } from '../../src/database/roles.ts';

it.each([
  [
    ['staff, viewer,,', 'admin,staff'],
    ['staff', 'viewer', 'admin'],
  ],
  [[' , ', null, ''], []],
  [[], []],
])('takes the member rows %j for %j', (rows, roles) => {
  expect(memberRoles(rows)).toEqual(roles);
});

it.each([
  [null, []],
  ['', []],
  ['admin', ['admin']],
  ['user,support,user', ['user', 'support']],
  // As Better Auth's admin plugin: not trimmed.
  ['user, admin', ['user', ' admin']],
  ['user,,', ['user']],
  // A role is stored, though it names none: the default is not for this user.
  [',', [',']],
  [' ', [' ']],
])('takes the stored platform role %j for %j', (stored, roles) => {
  expect(platformRoles(stored)).toEqual(roles);
});
