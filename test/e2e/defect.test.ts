/** Rows that Better Auth never writes: a clear line in the log, INTERNAL without a word of it, and the service goes on. */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { leastPrivilegeUrl } from '../../tools/assent/least-privilege.ts';
import { testDatabase } from '../support/database.ts';
import type { ProtocolClient } from '../support/protocol-clients/client.ts';
import { openProtocols, PROTOCOLS } from '../support/protocols.ts';
import { createSeed } from '../support/seed.ts';
import { settingsFor } from '../support/settings.ts';
import { applicationTemplate } from '../support/template.ts';

const database = await testDatabase(await applicationTemplate('plural'));
const pool = new pg.Pool({ connectionString: database.url });
afterAll(() => pool.end());
const seed = createSeed(pool);
const [userId, twice, organizationId] = [await seed.user(), await seed.user(), await seed.organization()];
for (const id of [userId, twice]) await seed.member(id, organizationId, 'owner');
// Two users with one id, as a table without its key can have them.
await pool.query('ALTER TABLE users DROP CONSTRAINT users_pkey CASCADE');
await pool.query(
  `INSERT INTO users SELECT (jsonb_populate_record(u, '{"email": "second@example.com"}')).* FROM users u WHERE id = $1`,
  [twice],
);

const protocols = openProtocols(settingsFor(leastPrivilegeUrl(database.url)));

describe.each(PROTOCOLS)('$name', (protocol) => {
  let client: ProtocolClient;
  beforeAll(async () => {
    client = await protocols.client(protocol);
  });

  it('a defect is answered with INTERNAL and no detail, and the log names the problem', async () => {
    const message = 'Internal error: see the log of the service.';
    const details = [{ '@type': 'google.rpc.ErrorInfo', reason: 'INTERNAL', domain: 'assent' }];
    const check = { organizationId, permission: 'organization:delete' };
    expect(await client.call('CheckPermission', { userId: twice, ...check })).toMatchObject({
      code: 'INTERNAL',
      message,
      details,
    });
    const assent = await protocols.assent(protocol);
    const line = await assent.logged(({ event }) => event === 'call.defect');
    expect(line['error']).toContain('Two users have one id');
    expect((await client.call('CheckPermission', { userId, ...check })).response).toMatchObject({ allowed: true });
    const { response } = await client.call('GetOrganization', { organizationId });
    expect(response).toMatchObject({ organization: { id: organizationId } });
    expect(assent.stderr()).toBe('');
  });
});
