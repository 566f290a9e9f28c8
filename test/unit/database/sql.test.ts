import { expect, it } from 'vitest';
import { canHold } from '../../../src/database/sql.ts';

const column = { name: 'id', kind: 'other', typeSchema: 'pg_catalog', collation: null, deterministic: true } as const;
const holds = (type: string, id: string, length: number | null = null): boolean =>
  canHold({ ...column, type, length }, id);

it.each([
  ['smallint', '32767', '32768', '-32768', '-32769'],
  ['integer', '2147483647', '2147483648', '-2147483648', '-2147483649'],
  ['bigint', '9223372036854775807', '9223372036854775808', '-9223372036854775808', '-9223372036854775809'],
])('a %s holds exactly the whole numbers of its range in their canonical form', (type, most, more, least, less) => {
  expect([most, more, least, less, '0'].map((id) => holds(type, id))).toEqual([true, false, true, false, true]);
  for (const id of ['', '-', '-0', '00', '007', '+7', ' 7', '7 ', '7.0', '7e1', '0x7', '٧', '9'.repeat(512)]) {
    expect(holds(type, id), id).toBe(false);
  }
});

it('a uuid column holds only the text that PostgreSQL writes', () => {
  const id = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11';
  expect(holds('uuid', id)).toBe(true);
  for (const other of [id.toUpperCase(), `{${id}}`, id.replaceAll('-', ''), `${id} `, `${id}\n`, 'nobody', '']) {
    expect(holds('uuid', other), other).toBe(false);
  }
});

it('a numeric holds whole numbers of up to 512 digits', () => {
  for (const id of ['0', '-7', '9'.repeat(512)]) expect(holds('numeric', id), id).toBe(true);
  for (const id of ['7.0', '007', 'NaN', '1e9', '', '9'.repeat(513)]) expect(holds('numeric', id), id).toBe(false);
});

it('a char(n) holds an id without its padding or with all of it, and with no other number of blanks', () => {
  for (const id of ['ada', 'a a', 'ada  ', '\u{1f511}    ']) expect(holds('character', id, 5), id).toBe(true);
  for (const id of ['ada ', 'ada   ', 'a\0b']) expect(holds('character', id, 5), id).toBe(false);
  expect(holds('character', 'ada ', null)).toBe(false);
});

it.each(['text', 'character varying', 'citext'])('%s holds every text without a NUL', (type) => {
  for (const id of ['', 'nobody', '007', '\u{1f511}']) expect(holds(type, id)).toBe(true);
  expect(holds(type, 'a\0b')).toBe(false);
});
