/** A role that could write to Better Auth's tables is detected, whatever right it has; Assent's own role is not. */
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

/** The tables that a process which connects by this URL could write to. */
const foundBy = async (url: string): Promise<readonly WritableTable[]> => {
  const found: WritableTable[] = [];
  const directory = directoryOf(url, { onWritable: (table) => found.push(table) });
  await directory.schema();
  await directory.end();
  return found;
};
/** A role that may read everything, with the additional rights of a statement. */
const roleWith = async (grant: (role: string) => string): Promise<string> => {
  const role = `"${database.name}"`;
  await owner(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'; GRANT pg_read_all_data TO ${role}; ${grant(role)}`);
  onTestFinished(
    async () => void (await owner(`REASSIGN OWNED BY ${role} TO postgres; DROP OWNED BY ${role}; DROP ROLE ${role}`)),
  );
  return Object.assign(new URL(database.url), { username: database.name, password: 'secret' }).href;
};

it('neither the least-privilege role nor a role that may read everything is reported as one that can write', async () => {
  expect(await foundBy(leastPrivilegeUrl(database.url))).toEqual([]);
  expect(await foundBy(await roleWith(() => ''))).toEqual([]);
});

it('a superuser is reported as a role that can write', async () => {
  expect(await foundBy(database.url)).toEqual([{ role: 'postgres', table: 'public.jwks' }]);
});

it.each([
  ['a grant on a table', (role: string) => `GRANT DELETE ON members TO ${role}`],
  ['a grant on a column', (role: string) => `GRANT UPDATE (role) ON members TO ${role}`],
  ['a grant to PUBLIC', () => 'GRANT INSERT ON members TO PUBLIC'],
  [
    'ownership of a table',
    (role: string) => `ALTER TABLE members OWNER TO ${role}; REVOKE ALL ON members FROM ${role}`,
  ],
])('a role that can write by %s is reported', async (_, grant) => {
  const url = await roleWith(grant);
  expect(await foundBy(url)).toEqual([{ role: database.name, table: 'public.members' }]);
  await owner('REVOKE ALL ON members FROM PUBLIC');
});

it('a member of pg_write_all_data is reported as a role that can write', async () => {
  const url = await roleWith((role) => `GRANT pg_write_all_data TO ${role}`);
  expect(await foundBy(url)).toEqual([{ role: database.name, table: 'public.jwks' }]);
});

it('the role assent gets its settings, unless it can write to another table', async () => {
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
