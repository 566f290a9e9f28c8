/** Tables that change while they are read: plugins are added, columns and tables are renamed. */
import { afterEach, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import type { Directory } from '../../../src/database/directory.ts';
import type { Schema } from '../../../src/database/models.ts';
import { directoryOf } from '../../../tools/assent/directory.ts';
import { withClient } from '../../../tools/local-services/index.ts';
import { testDatabase } from '../../support/database.ts';
import { until } from '../../support/until.ts';

const { url, name } = await testDatabase();
const change = (text: string) => withClient(url, (client) => client.query(text));
let ahead = 0;
let directory: Directory;
const found: Schema[] = [];
const faults: string[] = [];

const start = async (): Promise<void> => {
  await change(`DROP TABLE IF EXISTS users, "user"; CREATE TABLE users (id text, name text, email text,
    "emailVerified" bool, image text, "createdAt" timestamp, "updatedAt" timestamp, role text);
    INSERT INTO users (id, role) VALUES ('u', 'admin')`);
  directory = directoryOf(url, {
    size: 2,
    statementTimeoutMs: 2_000,
    clock: { ...systemClock, monotonic: () => systemClock.monotonic() + ahead },
    onSchema: (schema) => found.push(schema),
    onSchemaFault: (error) => faults.push(String(error)),
  });
};
afterEach(async () => {
  await directory.end();
  found.length = 0;
  faults.length = 0;
});

const user = async () => (await directory.facts({ userId: 'u', organizationId: null })).user;
/** A minute passes, and one more read uses the tables that were found before. */
const later = async (): Promise<void> => {
  ahead += 60_000;
  await user().catch(() => {});
};
const BANS = 'ALTER TABLE users ADD banned bool, ADD "banExpires" timestamp; UPDATE users SET banned = true';

it('bans are read within a minute after the columns of the admin plugin were added', async () => {
  await start();
  expect(await user()).toEqual({ roles: ['admin'], ban: null });
  await change(BANS);
  expect(await user()).toEqual({ roles: ['admin'], ban: null });
  await later();
  await until('the ban', async () => (await user())?.ban !== null);
  expect(found.map(({ user: { columns } }) => columns.banned?.name)).toEqual([undefined, 'banned']);
  await later();
  await user();
  expect(found).toHaveLength(2);
  expect(faults).toEqual([]);
});

it('a table that was renamed is found within a minute', async () => {
  await start();
  await user();
  await change('ALTER TABLE users RENAME TO "user"');
  await expect(user()).rejects.toThrow(/does not exist/);
  await later();
  await until('the table', () =>
    user().then(
      () => true,
      () => false,
    ),
  );
});

it('a later detection stays in the schema that was found first, even if new sessions have another search path', async () => {
  await start();
  expect(await user()).toEqual({ roles: ['admin'], ban: null });
  await change(`CREATE SCHEMA other; CREATE TABLE other.users (LIKE users); INSERT INTO other.users (id, role) VALUES ('u', 'root');
    ALTER DATABASE ${name} SET search_path = other;
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`);
  await later();
  await until('a new session', () =>
    user().then(
      () => true,
      () => false,
    ),
  );
  const found = await directory.schema();
  expect(found.user.schema).toBe('public');
  expect(await user()).toEqual({ roles: ['admin'], ban: null });
  await change(`ALTER DATABASE ${name} RESET search_path; DROP SCHEMA other CASCADE`);
});

it('reads fail after the role column was renamed, so that no user gets the default role instead', async () => {
  await start();
  expect(await user()).toEqual({ roles: ['admin'], ban: null });
  await change('ALTER TABLE users RENAME role TO rank');
  await later();
  await until('a fault', () => faults.length > 0);
  expect(faults[0]).toMatch(/"role" of "users" is gone/);
  await expect(user()).rejects.toThrow(/does not exist/);
});

it('a role column is read by its new type within a minute, and a type that cannot be read gives no default role', async () => {
  await start();
  await change("ALTER TABLE users ALTER role TYPE text[] USING string_to_array(role, ',')");
  await later();
  await until('the roles', () =>
    user().then(
      (one) => one?.roles.join() === 'admin',
      () => false,
    ),
  );
  await change('ALTER TABLE users ALTER role TYPE integer USING 7');
  await later();
  await until('a fault', () => faults.length > 0);
  expect(faults[0]).toMatch(/column "role" of table "users" \(user\.role\) is of type integer, and text.* is wanted/);
  // A role name that no policy defines.
  expect(await user()).toEqual({ roles: [','], ban: null });
});

it('reads fail after the columns of bans were renamed, so that no ban is lifted', async () => {
  await start();
  await change(BANS);
  expect((await user())?.ban).toEqual({ until: null });
  await change('ALTER TABLE users RENAME banned TO is_banned; ALTER TABLE users RENAME "banExpires" TO banned_until');
  await later();
  await until('a fault', () => faults.length > 0);
  expect(faults[0]).toMatch(/"banned"/);
  await expect(user()).rejects.toThrow(/does not exist/);
  expect(faults).toHaveLength(1);
});
