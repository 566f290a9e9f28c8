/** The role that `npm run sql -- grants` prints may read what Assent reads and nothing else. */
import { describe, expect, it } from 'vitest';
import { tableNames } from '../../../demo/application/create-auth.ts';
import { leastPrivilegeUrl } from '../../../tools/assent/least-privilege.ts';
import { withClient } from '../../../tools/local-services/databases.ts';
import { testDatabase } from '../../support/database.ts';
import { applicationTemplate } from '../../support/template.ts';

const SECRETS = {
  jwks: ['privateKey'],
  session: ['token', 'userId', 'id'],
  account: ['password', 'accessToken', 'refreshToken', 'idToken'],
  verification: ['value'],
  invitation: ['email'],
};

describe.each(['plural', 'singular'] as const)('the least-privilege role with %s names', async (naming) => {
  const database = await testDatabase(await applicationTemplate(naming));
  const url = leastPrivilegeUrl(database.url);
  const names: Readonly<Record<string, string>> = tableNames(naming);

  it.each(
    Object.entries(SECRETS).flatMap(([table, columns]) => columns.map((column) => [names[table] ?? table, column])),
  )('the least-privilege role may not read %s.%s', async (table, column) => {
    const reading = withClient(url, (client) => client.query(`SELECT "${column}" FROM "${table}"`));
    await expect(reading).rejects.toThrow(`permission denied for table ${table}`);
  });

  it.each(['user', 'organization', 'member', 'organizationRole', 'jwks'])(
    'the least-privilege role may not write %s',
    async (model) => {
      const table = names[model] ?? model;
      for (const statement of [`UPDATE "${table}" SET id = id`, `DELETE FROM "${table}"`, `TRUNCATE "${table}"`]) {
        await expect(
          withClient(url, async (client) => {
            // The role's own setting is the second guard.
            await client.query('SET default_transaction_read_only = off');
            await client.query(statement);
          }),
          statement,
        ).rejects.toThrow(/permission denied/);
      }
    },
  );

  it('the least-privilege role may read exactly these columns', async () => {
    const { rows } = await withClient(url, (client) =>
      client.query<{ table: string; columns: string[] }>(
        `SELECT table_name::text AS table, array_agg(column_name::text ORDER BY column_name) AS columns
         FROM information_schema.columns WHERE table_schema = 'public' GROUP BY table_name`,
      ),
    );
    expect(Object.fromEntries(rows.map(({ table, columns }) => [table, columns.sort()]))).toEqual({
      [names['user'] ?? '']: [
        ...['banExpires', 'banReason', 'banned', 'createdAt', 'email', 'emailVerified', 'id', 'image', 'name', 'role'],
        'updatedAt',
      ],
      [names['organization'] ?? '']: ['createdAt', 'id', 'logo', 'metadata', 'name', 'slug'],
      [names['member'] ?? '']: ['createdAt', 'id', 'organizationId', 'role', 'userId'],
      organizationRole: ['organizationId', 'permission', 'role'],
      jwks: ['alg', 'crv', 'expiresAt', 'id', 'publicKey'],
    });
  });
});
