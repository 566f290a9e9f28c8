import { expect, it } from 'vitest';
import { memberRoles, platformRoles } from '../../../src/database/values.ts';

it.each([
  [
    ['staff, viewer,,', 'admin,staff'],
    ['staff', 'viewer', 'admin'],
  ],
  [[' , ', null, ''], []],
  [[], []],
  // A text that looks like JSON is no list: Better Auth does not parse it either.
  [['["owner"]'], ['["owner"]']],
])('the member rows %j have the roles %j', (rows, roles) => {
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
])('the member rows %j of JSON have the roles %j, and %i unreadable rows', (rows, roles, unreadable) => {
  expect(memberRoles(rows, 'json')).toEqual({ roles, unreadable });
});

it.each([
  [null, []],
  ['', []],
  ['admin', ['admin']],
  ['user,support,user', ['user', 'support']],
  // Not trimmed, as by Better Auth's admin plugin.
  ['user, admin', ['user', ' admin']],
  ['user,,', ['user']],
  // A value without a role name is stored: the default role does not apply.
  [',', [',']],
  [' ', [' ']],
])('the stored platform role %j has the roles %j', (stored, roles) => {
  expect(platformRoles(stored, 'text')).toEqual({ roles, unreadable: 0 });
});

it.each([
  ['null', [], 0],
  ['""', [], 0],
  ['"user,support"', ['user', 'support'], 0],
  ['["user"," admin"]', ['user', ' admin'], 0],
  // An empty list is stored: the default role does not apply.
  ['[]', [','], 0],
  ['[""]', [','], 0],
  ['{"user":true}', [','], 1],
  ['["user",7]', [','], 1],
])('the stored platform roles %s of JSON have the roles %j', (stored, roles, unreadable) => {
  expect(platformRoles(stored, 'json')).toEqual({ roles, unreadable });
});
