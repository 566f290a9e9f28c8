/** A row that Better Auth never writes: a clear line in the log, INTERNAL without a word of it, and the service goes on. */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testDatabase } from '../support/database.ts';
import type { DoorClient } from '../support/door-clients/client.ts';
import { DOORS, openDoors } from '../support/doors.ts';
import { leastPrivilegeUrl } from '../support/least-privilege.ts';
import { createSeed } from '../support/seed.ts';
import { settingsFor } from '../support/settings.ts';
import { monolithTemplate } from '../support/template.ts';

const database = await testDatabase(await monolithTemplate('plural'));
const pool = new pg.Pool({ connectionString: database.url });
afterAll(() => pool.end());
const seed = createSeed(pool);
const [userId, odd, sound] = [await seed.user(), await seed.organization(), await seed.organization()];
await seed.member(userId, odd, 'owner');
await pool.query('ALTER TABLE organizations ALTER COLUMN name DROP NOT NULL');
await pool.query('UPDATE organizations SET name = NULL WHERE id = $1', [odd]);

const doors = openDoors(settingsFor(leastPrivilegeUrl(database.url)));

describe.each(DOORS)('$name', (door) => {
  let client: DoorClient;
  beforeAll(async () => {
    client = await doors.client(door);
  });

  it('says INTERNAL and nothing else; the log names the column', async () => {
    const message = 'Internal error: see the log of the service.';
    const details = [{ '@type': 'google.rpc.ErrorInfo', reason: 'INTERNAL', domain: 'assent' }];
    for (const [method, request] of [
      ['GetOrganization', { organizationId: odd }],
      ['ListUserOrganizations', { userId }],
    ] as const) {
      expect(await client.call(method, request)).toMatchObject({ code: 'INTERNAL', message, details });
    }
    const assent = await doors.assent(door);
    const line = await assent.logged(({ msg }) => msg.startsWith('a defect'));
    expect(JSON.stringify(line['err'])).toContain('name');
    // What only decisions need is not affected, nor is anything else.
    const check = { userId, organizationId: odd, permission: 'organization:delete' };
    expect((await client.call('CheckPermission', check)).response).toMatchObject({ allowed: true });
    const { response } = await client.call('GetOrganization', { organizationId: sound });
    expect(response).toMatchObject({ organization: { id: sound } });
    expect(assent.stderr()).toBe('');
  });
});
