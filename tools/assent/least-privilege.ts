/** The service's role in a database of demo, tests, bench or chaos: made by the SQL that `npm run sql -- grants` prints. */
import { createHash } from 'node:crypto';
import { grantsSql } from '../../src/ddl/grants.ts';
import { withClient } from '../local-services/databases.ts';
import { directoryOf } from './directory.ts';

/**
 * Makes the role and its grants in a database that has Better Auth's tables. Copies of the database have the grants too.
 * @param ownerUrl Of a superuser with a password.
 * @returns The database's URL as that role.
 */
export async function grantLeastPrivilege(ownerUrl: string): Promise<string> {
  const directory = directoryOf(ownerUrl);
  const schema = await directory.schema().finally(() => directory.end());
  await asLeastPrivilege(ownerUrl, grantsSql(schema));
  return leastPrivilegeUrl(ownerUrl);
}

/** Runs SQL that makes a role and its grants, with the password of {@link leastPrivilegeUrl}. */
export async function asLeastPrivilege(ownerUrl: string, sql: string): Promise<void> {
  // A role and its settings belong to the server: two runs at once would be in each other's way.
  const alone = 'LOCK TABLE pg_catalog.pg_db_role_setting IN EXCLUSIVE MODE;';
  await withClient(ownerUrl, (client) =>
    client.query(`${alone}\n${sql.replace("'change me'", `'${passwordOf(ownerUrl)}'`)}`),
  );
}

/** The URL of the same database as a role that {@link asLeastPrivilege} made. */
export function leastPrivilegeUrl(ownerUrl: string, role: 'assent' | 'assent_relay' = 'assent'): string {
  const url = new URL(ownerUrl);
  url.username = role;
  url.password = passwordOf(ownerUrl);
  return url.href;
}

/** A role belongs to the server: its password has to be the same for all databases of it. */
function passwordOf(ownerUrl: string): string {
  return createHash('sha256')
    .update(`assent ${new URL(ownerUrl).password}`)
    .digest('hex');
}
