import { expect, it } from 'vitest';
import type { Schema } from '../../src/database/models.ts';
import { resolveSchema } from '../../src/database/naming.ts';
import { originOf } from '../../src/database/origin.ts';

const USER = ['id', 'name', 'email', 'emailVerified', 'image', 'createdAt', 'updatedAt'];
const schemaOf = (name: string, ...more: readonly string[]): Schema =>
  resolveSchema(
    name,
    [...USER, ...more].map((column) => ({ table: 'users', column, type: 'text', deterministic: true, readable: true })),
    { tables: 'auto', renamed: new Map() },
  );
const URL = 'postgres://ada:secret@db/app';
const SCHEMA = schemaOf('public');

it.each([
  ['whoever connects', 'postgres://eve:other@db/app'],
  ['the usual port, said or not', 'postgres://ada:secret@db:5432/app'],
  ['with parameters', 'postgres://ada:secret@db/app?sslmode=require'],
  ['a host and a port in the parameters', 'postgres://ada:secret@ignored:1/app?host=db&port=5432'],
])('is the same for the same tables: %s', (_name, url) => {
  expect(originOf(url, schemaOf('public'))).toBe(originOf(URL, SCHEMA));
});

it('says nothing of the address', () => {
  expect(originOf(URL, SCHEMA)).toMatch(/^[\w-]{16}$/);
});

it('is another one for another server, database or schema, and for tables with other columns', () => {
  const origins = [
    originOf(URL, SCHEMA),
    originOf('postgres://ada:secret@db2/app', SCHEMA),
    originOf('postgres://ada:secret@db:5433/app', SCHEMA),
    originOf('postgres://ada:secret@db/app?host=/run/postgresql', SCHEMA),
    originOf('postgres://ada:secret@db/other', SCHEMA),
    originOf('postgres://ada:secret@db', SCHEMA),
    originOf('postgres://eve:secret@db', SCHEMA),
    originOf(URL, schemaOf('umbrella')),
    originOf(URL, schemaOf('public', 'banned')),
  ];
  expect(new Set(origins).size).toBe(origins.length);
});
