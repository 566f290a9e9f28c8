import { expect, it } from 'vitest';
import { heldDynamicRoles } from '../../../src/database/facts-query.ts';

const read = (permission: string | null) => heldDynamicRoles([{ role: 'night', permission }], ['night']);

it.each([
  ['JSON', '{"door":["open","close"]}'],
  ['JSON within JSON, as a json column of Drizzle can hold it', JSON.stringify('{"door":["open","close"]}')],
])('takes the grants from %s', (_, text) => {
  const grants = [
    ['door', 'open'],
    ['door', 'close'],
  ];
  expect(read(text)).toEqual({ roles: [{ role: 'night', grants }], bad: 0 });
});

it.each([
  null,
  '',
  '{"door":',
  'null',
  '[]',
  '["door"]',
  '7',
  '"door"',
  '{"door":"open"}',
  '{"door":null}',
  '{"door":{"0":"open"}}',
  '{"door":["open",7]}',
  '{"door":["open",["close"]]}',
  '{"gate":["open"],"door":[null]}',
])('grants nothing at all by %j, and counts it', (text) => {
  expect(read(text)).toEqual({ roles: [], bad: 1 });
});

it('neither takes nor counts the roles of others', () => {
  const rows = [
    { role: 'nigh', permission: '{"vault":["open"]}' },
    { role: 'Night', permission: '{"vault":["open"]}' },
    { role: 'day', permission: 'broken' },
  ];
  expect(heldDynamicRoles(rows, ['night'])).toEqual({ roles: [], bad: 0 });
});

it('takes an action that a row says a hundred thousand times, as Better Auth stores it, once', () => {
  const permission = JSON.stringify({ data: [...Array(100_000).fill('read'), 'write'], door: ['read'] });
  expect(heldDynamicRoles([{ role: 'r', permission }], ['r']).roles).toEqual([
    {
      role: 'r',
      grants: [
        ['data', 'read'],
        ['data', 'write'],
        ['door', 'read'],
      ],
    },
  ]);
});
