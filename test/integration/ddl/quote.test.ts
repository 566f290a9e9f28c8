import pg from 'pg';
import { expect, inject, it } from 'vitest';
import { quoteName, quoteTable, quoteText } from '../../../src/ddl/quote.ts';

const HOSTILE = [
  'plain',
  'With "quotes"',
  '"',
  '""',
  "o'clock",
  "'; DROP TABLE users; --",
  '\\',
  "\\'",
  '\\n',
  '$$',
  'ü',
];

it.each(HOSTILE)('PostgreSQL reads the quoted text %j unchanged, as a name and as a literal', async (text) => {
  const client = new pg.Client({ connectionString: inject('postgresUrl') });
  await client.connect();
  try {
    const { rows, fields } = await client.query(`SELECT ${quoteText(text)}::text AS ${quoteName(text)}`);
    expect(fields.map(({ name }) => name)).toEqual([text]);
    expect(rows).toEqual([{ [text]: text }]);
    // As an older server, or an operator's setting, has it.
    await client.query('SET standard_conforming_strings = off; SET escape_string_warning = off');
    expect((await client.query(`SELECT ${quoteText(text)}::text AS one`)).rows).toEqual([{ one: text }]);
  } finally {
    await client.end();
  }
});

it('a quoted table has its schema in front, each in quotes', () => {
  expect(quoteTable({ schema: 'a.b', table: 'c"d' })).toBe('"a.b"."c""d"');
});
