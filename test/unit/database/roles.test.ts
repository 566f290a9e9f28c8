import { expect, it } from 'vitest';
import { memberRoles, platformRoles } from '../../../src/database/values.ts';

it.each([
  [
    ['staff, viewer,,', 'admin,staff'],
    ['staff', 'viewer', 'admin'],
  ],
  [[' , ', null, ''], []],
  [[], []],
  // A text is no list, whatever it looks like: Better Auth does not parse it either.
  [['["owner"]'], ['["owner"]']],
])('takes the member rows %j for %j', (rows, roles) => {
  expect(memberRoles(rows, 'text')).toEqual({ roles, unreadable: 0 });
});

it.each([
  [['["staff, viewer", "admin"]', '["staff"]'], ['staff', 'viewer', 'admin'], 0],
  [['"owner,admin"'], ['owner', 'admin'], 0],
  [['"\\u006fwner"'], ['owner'], 0],
  [['null', '[]', '""', null], [], 0],
  [['["admin",7,null,["owner"],{"role":"owner"}]', '["staff"]'], ['staff'], 1],
  [['7', 'true', '{"owner":true}', '["owner'], [], 4],
  [['["\\ud800"]'], [], 1],
  [[JSON.stringify(['owner', 'x'.repeat(65_536)])], [], 1],
])('takes a member row of JSON for its roles when all of them are texts: %j', (rows, roles, unreadable) => {
  expect(memberRoles(rows, 'json')).toEqual({ roles, unreadable });
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
  expect(platformRoles(stored, 'text')).toEqual({ roles, unreadable: 0 });
});

it.each([
  ['null', [], 0],
  ['""', [], 0],
  ['"user,support"', ['user', 'support'], 0],
  ['["user"," admin"]', ['user', ' admin'], 0],
  // A list is stored: the default is not for this user.
  ['[]', [','], 0],
  ['[""]', [','], 0],
  ['{"user":true}', [','], 1],
  ['["user",7]', [','], 1],
])('takes the stored platform roles %s for %j', (stored, roles, unreadable) => {
  expect(platformRoles(stored, 'json')).toEqual({ roles, unreadable });
});
