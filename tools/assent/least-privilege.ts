/** The role that docs/operate/sql describes, made by the very files that users are told to run. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { withClient } from '../local-services/databases.ts';

const FILES = { plural: 'least-privilege.sql', singular: 'least-privilege-singular.sql' } as const;

/** The role belongs to the server, so that its password follows from what is the same for all of its databases. */
const passwordOf = (ownerUrl: string): string =>
  createHash('sha256')
    .update(`assent ${new URL(ownerUrl).password}`)
    .digest('hex');

/** The same database as a role that has to have been made by {@link asLeastPrivilege}. */
export const leastPrivilegeUrl = (ownerUrl: string, role: 'assent' | 'assent_relay' = 'assent'): string => {
  const url = new URL(ownerUrl);
  url.username = role;
  url.password = passwordOf(ownerUrl);
  return url.href;
};

/** Runs SQL that makes the role and its grants, with a password of the tests' own. */
export const asLeastPrivilege = async (ownerUrl: string, sql: string): Promise<void> => {
  // Roles and their settings belong to the server, and two files that set them at once would be in each other's way.
  const alone = 'LOCK TABLE pg_catalog.pg_db_role_setting IN EXCLUSIVE MODE;';
  await withClient(ownerUrl, (client) =>
    client.query(`${alone}\n${sql.replace("'change me'", `'${passwordOf(ownerUrl)}'`)}`),
  );
};

/**
 * Makes the role and its grants in a database that has Better Auth's tables. Copies of the database have the grants too.
 * @param ownerUrl Of a superuser with a password.
 * @returns The database's URL as that role.
 */
export const grantLeastPrivilege = async (ownerUrl: string, naming: 'plural' | 'singular'): Promise<string> => {
  const text = await readFile(new URL(`../../docs/operate/sql/${FILES[naming]}`, import.meta.url), 'utf8');
  await asLeastPrivilege(ownerUrl, text);
  return leastPrivilegeUrl(ownerUrl);
};
