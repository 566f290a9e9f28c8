/** A role that could write is found, by whatever it may write with; one of Assent's own is not. */
import { expect, it, onTestFinished } from 'vitest';
import type { WritableTable } from '../../../src/database/table-access.ts';
import { grantsSql } from '../../../src/ddl/grants.ts';
import { directoryOf } from '../../../tools/assent/directory.ts';
import { asLeastPrivilege, leastPrivilegeUrl } from '../../../tools/assent/least-privilege.ts';
import { withClient } from '../../../tools/local-services/index.ts';
import { testDatabase } from '../../support/database.ts';
import { applicationTemplate } from '../../support/template.ts';

const database = await testDatabase(await applicationTemplate('plural'));
const owner = (text: string) => withClient(database.url, (client) => client.query(text));

/** What a process that reads by this URL is told of. */
const foundBy = async (url: string): Promise<readonly WritableTable[]> => {
  const found: WritableTable[] = [];
  const directory = directoryOf(url, { onWritable: (table) => found.push(table) });
  await directory.schema();
  await directory.end();
  return found;
};
/** A role that may read everything, and what else the statement grants it. */
const roleWith = async (grant: (role: string) => string): Promise<string> => {
  const role = `"${database.name}"`;
  await owner(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'; GRANT pg_read_all_data TO ${role}; ${grant(role)}`);
  onTestFinished(
    async () => void (await owner(`REASSIGN OWNED BY ${role} TO postgres; DROP OWNED BY ${role}; DROP ROLE ${role}`)),
  );
  return Object.assign(new URL(database.url), { username: database.name, password: 'secret' }).href;
};

it('the least-privilege role cannot write, and neither can one that may read everything', async () => {
  expect(await foundBy(leastPrivilegeUrl(database.url))).toEqual([]);
  expect(await foundBy(await roleWith(() => ''))).toEqual([]);
});

it('a superuser can write', async () => {
  expect(await foundBy(database.url)).toEqual([{ role: 'postgres', table: 'public.jwks' }]);
});

it.each([
  ['a grant on a table', (role: string) => `GRANT DELETE ON members TO ${role}`],
  ['a grant on a column', (role: string) => `GRANT UPDATE (role) ON members TO ${role}`],
  ['a grant to everybody', () => 'GRANT INSERT ON members TO PUBLIC'],
  ['its table', (role: string) => `ALTER TABLE members OWNER TO ${role}; REVOKE ALL ON members FROM ${role}`],
])('a role can write by %s', async (_, grant) => {
  const url = await roleWith(grant);
  expect(await foundBy(url)).toEqual([{ role: database.name, table: 'public.members' }]);
  await owner('REVOKE ALL ON members FROM PUBLIC');
});

it('a role can write as a member of pg_write_all_data', async () => {
  const url = await roleWith((role) => `GRANT pg_write_all_data TO ${role}`);
  expect(await foundBy(url)).toEqual([{ role: database.name, table: 'public.jwks' }]);
});

it('the role assent has settings of its own, and gets none where it can write', async () => {
  const settings = async () => {
    const { rows } = await owner(`SELECT unnest(setconfig) AS setting FROM pg_db_role_setting
      WHERE setrole = 'assent'::regrole AND setdatabase = 0 ORDER BY 1`);
    return rows.map(({ setting }) => setting);
  };
  const expected = [
    ...['application_name=assent', 'default_transaction_read_only=on'],
    ...['idle_in_transaction_session_timeout=2s', 'statement_timeout=2s'],
  ];
  expect(await settings()).toEqual(expected);
  const directory = directoryOf(database.url);
  const grants = grantsSql(await directory.schema());
  await directory.end();
  await asLeastPrivilege(database.url, grants);
  await owner('CREATE TABLE orders (n int); GRANT INSERT ON orders TO assent');
  await expect(asLeastPrivilege(database.url, grants)).rejects.toThrow('the role assent can write to orders');
  expect(await settings()).toEqual(expected);
});
