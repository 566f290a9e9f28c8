/**
 * Every rpc through every protocol, on a database that the real Better Auth has migrated and filled, with tokens that it
 * signed; for both of its ways to name tables.
 */
import { createEmailVerificationToken } from 'better-auth/api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { leastPrivilegeUrl } from '../../tools/assent/least-privilege.ts';
import { withClient } from '../../tools/local-services/index.ts';
import { createApplication, TEST_SECRET } from '../support/application.ts';
import { testDatabase } from '../support/database.ts';
import { testFolder } from '../support/folder.ts';
import type { ProtocolClient } from '../support/protocol-clients/client.ts';
import { openProtocols, PROTOCOLS } from '../support/protocols.ts';
import { createSeed, PLURAL, SINGULAR, type TableNames } from '../support/seed.ts';
import { applicationTemplate } from '../support/template.ts';

const POLICY = testFolder().file(
  'policy.yaml',
  `version: 1
statements: { data: [read, write], leave: [request, approve] }
organizationRoles:
  viewer: { grants: { data: [read] } }
  staff:  { extends: [viewer], grants: { data: [write], leave: [request] } }
  admin:  { extends: [staff], grants: { leave: [approve], member: [create, update, delete] } }
  owner:  { extends: [admin], grants: { organization: [update, delete] } }
platformRoles:
  superadmin: { grants: { "*": ["*"] } }
`,
);
const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);

/** Times of a row that SQL wrote: those of `now()` have microseconds. */
const WRITTEN = {
  createdAt: '2026-01-02T03:04:05.678901Z',
  updatedAt: '1969-12-31T23:59:59.999999Z',
  banExpires: '2099-12-31T23:59:59.000001Z',
};

/** A member of two organizations, and of one between them that is gone, whose rows SQL wrote. */
const writeBySql = (url: string, tables: TableNames): Promise<unknown> =>
  withClient(url, async (client) => {
    const seed = createSeed(client, tables);
    const user = await seed.user({ id: 'by-sql', banned: true });
    const organization = await seed.organization({ id: 'of-sql' });
    await seed.member(user, organization, 'viewer');
    await seed.updateUser(user, WRITTEN);
    for (const id of ['of-sql-gone', 'of-sql-too']) await seed.member(user, await seed.organization({ id }), 'viewer');
    // As a database without the foreign key does it.
    await client.query(`BEGIN; SET LOCAL session_replication_role = replica;
      DELETE FROM "${tables.organization}" WHERE id = 'of-sql-gone'; COMMIT`);
    for (const table of [tables.organization, tables.member]) {
      const column = table === tables.member ? 'organizationId' : 'id';
      await client.query(`UPDATE "${table}" SET "createdAt" = $1 WHERE "${column}" = $2`, [
        WRITTEN.createdAt,
        organization,
      ]);
    }
  });

/** An owner with two organizations, and in the first one a member with the role staff and a dynamic role. */
const world = async (naming: 'plural' | 'singular') => {
  const database = await testDatabase(await applicationTemplate(naming));
  const application = await createApplication({
    databaseUrl: database.url,
    secret: TEST_SECRET,
    natsUrl: null,
    naming,
  });
  afterAll(() => application.stop());
  const superadmin = await application.createUser({ name: 'Root', email: 'root@example.com', role: 'superadmin' });
  const staff = await application.signUp('Sam', 'sam@example.com');
  const owner = await application.signUp('Olivia', 'olivia@example.com');
  const create = async (slug: string): Promise<string> => {
    const body = { name: `Name of ${slug}`, slug, metadata: { plan: slug } };
    return ((await owner.post('/organization/create', body)) as { id: string }).id;
  };
  const [acme, zeta] = [await create('acme'), await create('zeta')];
  await owner.post('/organization/set-active', { organizationId: acme });
  await owner.post('/organization/create-role', {
    organizationId: acme,
    role: 'auditor',
    permission: { data: ['write'], leave: ['approve'] },
  });
  await application.addMember(staff.userId, acme, 'viewer,auditor');
  await staff.post('/organization/set-active', { organizationId: acme });
  await writeBySql(database.url, naming === 'plural' ? PLURAL : SINGULAR);
  const tokens = { plugin: await staff.token(), secret: await application.hs256Token(staff.userId, acme) };
  const protocols = openProtocols({
    DATABASE_URL: leastPrivilegeUrl(database.url),
    BETTER_AUTH_SECRET: TEST_SECRET,
    BETTER_AUTH_URL: application.url,
    // Either source of the plugin's keys.
    ASSENT_JWKS: naming === 'plural' ? 'database' : `${application.url}/api/auth/jwks`,
    ASSENT_POLICY: POLICY,
  });
  return { superadmin, staff: staff.userId, owner: owner.userId, acme, zeta, tokens, protocols };
};

describe.each(['plural', 'singular'] as const)('%s tables', async (naming) => {
  const { superadmin, staff, owner, acme, zeta, tokens, protocols } = await world(naming);
  const principal = {
    userId: staff,
    email: 'sam@example.com',
    role: 'user',
    organizationId: acme,
    organizationRole: 'viewer,auditor',
    isActive: true,
    clientId: '',
    scopes: [],
  };

  describe.each(PROTOCOLS)('$name', (protocol) => {
    let client: ProtocolClient;
    beforeAll(async () => {
      client = await protocols.client(protocol);
    });

    it.each(['plugin', 'secret'] as const)('VerifyToken verifies a token that is signed by the %s', async (signer) => {
      const { response } = await client.call('VerifyToken', { token: tokens[signer] });
      expect(response).toEqual({ principal, issuedAt: TIME, expiresAt: TIME });
    });

    it('every method refuses the token of an e-mailed link of Better Auth', async () => {
      const token = await createEmailVerificationToken(TEST_SECRET, 'olivia@example.com', undefined, 600, {
        userId: owner,
        role: 'superadmin',
        isActive: true,
        requestType: 'change-email-verification',
      });
      const details = [{ reason: 'TOKEN_CLAIMS_INVALID' }];
      for (const [method, request] of [
        ['VerifyToken', { token }],
        ['CheckPermission', { token, organizationId: acme, permission: 'data:read' }],
        ['ListPermissions', { token, organizationId: acme }],
      ] as const) {
        expect(await client.call(method, request)).toMatchObject({ code: 'UNAUTHENTICATED', details });
      }
      const checks = [{ token, organizationId: acme, permission: 'data:read' }];
      const { response } = await client.call('BatchCheckPermissions', { checks });
      expect(response?.['results']).toMatchObject([{ error: { code: 16, reason: 'TOKEN_CLAIMS_INVALID' } }]);
    });

    it.each([
      ['a static role', 'data:read', { allowed: true, reason: 'REASON_ROLE_GRANTS', grantedBy: 'viewer' }],
      ['a dynamic role', 'leave:approve', { allowed: true, reason: 'REASON_ROLE_GRANTS', grantedBy: 'auditor' }],
      ['no role', 'leave:request', { allowed: false, reason: 'REASON_ROLE_LACKS_PERMISSION', grantedBy: '' }],
      ['nobody', 'data:destroy', { allowed: false, reason: 'REASON_UNKNOWN_PERMISSION', grantedBy: '' }],
    ])('CheckPermission answers by id and by token with the grants of %s', async (_name, permission, expected) => {
      const answer = { ...expected, roles: ['viewer', 'auditor'], source: expect.any(String), computedAt: TIME };
      const byId = await client.call('CheckPermission', { userId: staff, organizationId: acme, permission });
      expect(byId.response).toEqual({ ...answer });
      for (const token of Object.values(tokens)) {
        const byToken = await client.call('CheckPermission', { token: `Bearer ${token}`, permission });
        expect(byToken.response).toEqual({ ...answer, principal });
      }
    });

    it('CheckPermission answers for other organizations and for the platform', async () => {
      const ask = async (userId: string, scope: object, permission = 'data:read') =>
        (await client.call('CheckPermission', { userId, permission, ...scope })).response;
      expect(await ask(staff, { organizationId: zeta })).toMatchObject({ reason: 'REASON_NOT_A_MEMBER', roles: [] });
      expect(await ask(staff, { platform: {} })).toMatchObject({ allowed: false, roles: ['user'] });
      const granted = { allowed: true, reason: 'REASON_PLATFORM_ROLE_GRANTS', grantedBy: 'superadmin' };
      expect(await ask(superadmin, { platform: {} })).toMatchObject({ ...granted, roles: ['superadmin'] });
      expect(await ask(superadmin, { organizationId: zeta }, 'any:thing')).toMatchObject({ ...granted, roles: [] });
    });

    it('CheckPermission answers from memory, and from PostgreSQL with CONSISTENCY_FULL', async () => {
      const ask = { userId: owner, organizationId: acme, permission: 'organization:delete' };
      await client.call('CheckPermission', ask);
      const { response: cached } = await client.call('CheckPermission', ask);
      expect(cached).toMatchObject({ allowed: true, source: 'SOURCE_MEMORY' });
      const { response: full } = await client.call('CheckPermission', { ...ask, consistency: 'CONSISTENCY_FULL' });
      expect(full).toMatchObject({ allowed: true, source: 'SOURCE_DATABASE' });
      expect(Date.parse(String(full?.['computedAt']))).toBeGreaterThan(Date.parse(String(cached?.['computedAt'])));
    });

    it('BatchCheckPermissions answers in the order of the checks', async () => {
      const checks = [
        { userId: owner, organizationId: acme, permission: 'leave:approve' },
        { token: tokens.plugin, permission: 'leave:approve' },
        { userId: staff, organizationId: zeta, permission: 'data:read' },
        { token: tokens.secret, permission: 'leave:approve' },
      ];
      const { response } = await client.call('BatchCheckPermissions', { checks });
      expect(response?.['results']).toMatchObject([
        { response: { allowed: true, grantedBy: 'owner' } },
        { response: { allowed: true, grantedBy: 'auditor', principal } },
        { response: { allowed: false, reason: 'REASON_NOT_A_MEMBER' } },
        { response: { allowed: true, grantedBy: 'auditor', principal } },
      ]);
    });

    it('ListPermissions lists the permissions of a user', async () => {
      const expected = {
        roles: ['viewer', 'auditor'],
        permissions: ['data:read', 'data:write', 'leave:approve'],
        reason: 'REASON_ROLE_GRANTS',
        source: expect.any(String),
        computedAt: TIME,
      };
      const byId = await client.call('ListPermissions', { userId: staff, organizationId: acme });
      expect(byId.response).toEqual(expected);
      const byToken = await client.call('ListPermissions', { token: tokens.plugin });
      expect(byToken.response).toMatchObject({ permissions: byId.response?.['permissions'] as never });
      const platform = await client.call('ListPermissions', { userId: superadmin, platform: {} });
      expect(platform.response).toMatchObject({
        reason: 'REASON_PLATFORM_ROLE_GRANTS',
        permissions: expect.arrayContaining(['*:*', 'leave:approve']),
      });
    });

    it('GetUser finds a user by id, and by e-mail address in any case', async () => {
      const user = {
        id: staff,
        name: 'Sam',
        email: 'sam@example.com',
        emailVerified: false,
        image: '',
        roles: ['user'],
        banned: false,
        banReason: '',
        createdAt: TIME,
        updatedAt: TIME,
      };
      expect((await client.call('GetUser', { userId: staff })).response).toEqual({ user });
      expect((await client.call('GetUser', { email: 'SAM@Example.com' })).response).toEqual({ user });
    });

    it('GetOrganization finds an organization by id and by slug', async () => {
      const organization = {
        id: acme,
        name: 'Name of acme',
        slug: 'acme',
        logo: '',
        metadata: '{"plan":"acme"}',
        createdAt: TIME,
      };
      expect((await client.call('GetOrganization', { organizationId: acme })).response).toEqual({ organization });
      expect((await client.call('GetOrganization', { slug: 'acme' })).response).toEqual({ organization });
    });

    it('ListUserOrganizations lists memberships page by page', async () => {
      const page = (pageToken: string) =>
        client.call('ListUserOrganizations', { userId: owner, pageSize: 1, pageToken });
      const first = await page('');
      const second = await page(String(first.response?.['nextPageToken']));
      expect(second.response?.['nextPageToken']).toBe('');
      const ids = [first, second].flatMap(({ response }) => response?.['memberships']);
      const membership = (id: string) => ({ organization: { id }, roles: ['owner'], joinedAt: TIME });
      expect(ids).toMatchObject([acme, zeta].toSorted().map(membership));
    });

    it('GetUser, GetOrganization and ListUserOrganizations give times exact to the microsecond', async () => {
      const { createdAt, updatedAt, banExpires: banExpiresAt } = WRITTEN;
      const { response } = await client.call('GetUser', { userId: 'by-sql' });
      expect(response).toMatchObject({ user: { createdAt, updatedAt, banned: true, banExpiresAt } });
      const { response: one } = await client.call('GetOrganization', { organizationId: 'of-sql' });
      expect(one).toMatchObject({ organization: { createdAt } });
      const { response: list } = await client.call('ListUserOrganizations', { userId: 'by-sql', pageSize: 1 });
      expect(list).toMatchObject({ memberships: [{ organization: { createdAt }, joinedAt: createdAt }] });
    });

    it('ListUserOrganizations goes on after a membership whose organization is gone', async () => {
      const listed: unknown[] = [];
      let pageToken = '';
      do {
        const { response } = await client.call('ListUserOrganizations', { userId: 'by-sql', pageSize: 1, pageToken });
        listed.push(response?.['memberships']);
        pageToken = String(response?.['nextPageToken']);
      } while (pageToken !== '');
      expect(listed).toMatchObject([[{ organization: { id: 'of-sql' } }], [{ organization: { id: 'of-sql-too' } }]]);
    });

    it('assent-trace returns the replica and its revision, also with an error', async () => {
      const metadata = { 'assent-trace': '1' };
      for (const userId of [staff, 'nobody']) {
        const { header } = await client.call('GetUser', { userId }, { metadata });
        expect(header('assent-replica')).toMatch(/^.+:\d+:[0-9a-f]{8}$/);
        expect(header('assent-position')).toMatch(/^ttl@[\w-]{16}:0$/);
        expect(header('assent-position-taken-at')).toBeNull();
      }
      const { header } = await client.call('GetUser', { userId: staff });
      expect(header('assent-replica')).toBeNull();
    });
  });
});
