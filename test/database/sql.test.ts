import { expect, it } from 'vitest';
import { canHold } from '../../src/database/sql.ts';

const holds = (type: string, id: string): boolean => canHold({ name: 'id', type, deterministic: true }, id);

it.each([
  ['smallint', '32767', '32768', '-32768', '-32769'],
  ['integer', '2147483647', '2147483648', '-2147483648', '-2147483649'],
  ['bigint', '9223372036854775807', '9223372036854775808', '-9223372036854775808', '-9223372036854775809'],
])('a %s holds whole numbers from end to end', (type, most, more, least, less) => {
  expect([most, more, least, less, '0'].map((id) => holds(type, id))).toEqual([true, false, true, false, true]);
  for (const id of ['', '-', '-0', '00', '007', '+7', ' 7', '7 ', '7.0', '7e1', '0x7', '٧', '9'.repeat(512)]) {
    expect(holds(type, id), id).toBe(false);
  }
});

it('a uuid is held as PostgreSQL writes it, and not as it may be read', () => {
  const id = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11';
  expect(holds('uuid', id)).toBe(true);
  for (const other of [id.toUpperCase(), `{${id}}`, id.replaceAll('-', ''), `${id} `, `${id}\n`, 'nobody', '']) {
    expect(holds('uuid', other), other).toBe(false);
  }
});

it.each(['text', 'character varying', 'citext'])('%s holds any text but one with a NUL', (type) => {
  for (const id of ['', 'nobody', '007', '\u{1f511}']) expect(holds(type, id)).toBe(true);
  expect(holds(type, 'a\0b')).toBe(false);
});
