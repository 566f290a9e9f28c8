import { expect, it } from 'vitest';
import { heldDynamicRoles } from '../../../src/database/facts-query.ts';

const read = (permission: string | null) => heldDynamicRoles([{ role: 'night', permission }], ['night']);

it.each([
  ['JSON', '{"door":["open","close"]}'],
  ['JSON within JSON, as in a json column of Drizzle', JSON.stringify('{"door":["open","close"]}')],
])('the grants of a dynamic role are read from %s', (_, text) => {
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
])('a dynamic role with the permission %j grants nothing and is counted', (text) => {
  expect(read(text)).toEqual({ roles: [], bad: 1 });
});

it('a dynamic role that the member does not hold is neither returned nor counted', () => {
  const rows = [
    { role: 'nigh', permission: '{"vault":["open"]}' },
    { role: 'Night', permission: '{"vault":["open"]}' },
    { role: 'day', permission: 'broken' },
  ];
  expect(heldDynamicRoles(rows, ['night'])).toEqual({ roles: [], bad: 0 });
});

it('an action that a row repeats a hundred thousand times is granted once', () => {
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
