/** Ids that a publisher writes otherwise than PostgreSQL does. */
import { randomUUID } from 'node:crypto';
import { idForms } from '@assent/event-contract';
import { connect } from 'nats';
import { afterAll, describe, expect, it } from 'vitest';
import { leastPrivilegeUrl } from '../../../tools/assent/least-privilege.ts';
import { testNats } from '../../support/nats.ts';
import { testRedis } from '../../support/redis.ts';
import { outboxDatabase, variantOf } from '../../support/relay/outbox.ts';
import { startReplicas } from '../../support/relay/replicas.ts';

const UUID = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11';
const UUID_FORMS = [
  UUID.toUpperCase(),
  `{${UUID}}`,
  `(${UUID.toUpperCase()})`,
  `urn:uuid:${UUID}`,
  UUID.replaceAll('-', ''),
  'a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11',
  ` ${UUID}\n`,
];

describe('the canonical forms of an id', () => {
  it.each(UUID_FORMS)('the id %j has itself and the uuid as canonical ids', (id) => {
    expect(idForms(id)).toEqual([id, UUID]);
  });

  it.each([
    ['007', '7'],
    ['+7', '7'],
    [' 7', '7'],
    ['-0', '0'],
    ['-07', '-7'],
    ['09223372036854775807', '9223372036854775807'],
    [' u1 ', 'u1'],
  ])('the id %j has %j and itself as canonical ids', (id, other) => {
    expect(idForms(id)).toEqual([id, other]);
  });

  it.each([UUID, '7', '-7', '0', 'kX3aBc', 'AAAA-BBBB', `${UUID}0`, 'g'.repeat(32), '7.0', '1e3', '0x10'])(
    'the id %j has only itself as canonical id',
    (id) => {
      expect(idForms(id)).toEqual([id]);
    },
  );
});

const POLICY =
  'version: 1\norganizationRoles: { admin: { grants: { data: [write] } }, viewer: { grants: { data: [read] } } }';

interface Ids {
  readonly userId: unknown;
  readonly organizationId: unknown;
}

describe.each([
  [
    'with uuid ids',
    { id: UUID, other: '7b0d3f60-0000-4000-8000-00000000000a' },
    UUID_FORMS.map((id): [string, Ids] => [
      id,
      { userId: id, organizationId: '{7B0D3F60-0000-4000-8000-00000000000A}' },
    ]),
  ],
  [
    'with serial ids',
    { id: '7', other: '12' },
    [
      ['numbers', { userId: 7, organizationId: 12 }],
      ['zeros in front', { userId: '007', organizationId: '0012' }],
      ['blanks and a sign', { userId: ' 7', organizationId: '+12' }],
    ] satisfies [string, Ids][],
  ],
])('revocations in tables %s', async (title, { id, other }, events) => {
  const variant = variantOf(title);
  const { url: natsUrl, prefix, stream } = await testNats();
  const redis = await testRedis();
  const { url, pool } = await outboxDatabase(variant);
  const replicas = await startReplicas(
    {
      ...{ DATABASE_URL: leastPrivilegeUrl(url), REDIS_URL: redis.url },
      ...{ NATS_URL: natsUrl, NATS_STREAM: stream, ASSENT_EVENTS_PREFIX: prefix },
      // Nothing but an event can make an answer new.
      ASSENT_PERMISSION_TTL_SECONDS: '3600',
    },
    POLICY,
  );
  const nats = await connect({ servers: natsUrl });
  afterAll(() => nats.close());
  const [users, organizations, members] = (['user', 'organization', 'member'] as const).map(variant.table);
  await pool.query(`INSERT INTO "${users}" (id, name, email, "emailVerified", "createdAt", "updatedAt")
    VALUES ('${id}', 'Ada', 'ada@example.com', true, now(), now())`);
  await pool.query(
    `INSERT INTO "${organizations}" (id, name, slug, "createdAt") VALUES ('${other}', 'Acme', 'acme', now())`,
  );
  await pool.query(
    `INSERT INTO "${members}" (id, "userId", "organizationId", role, "createdAt")
     VALUES ('${title.includes('uuid') ? randomUUID() : '1'}', '${id}', '${other}', 'admin', now())`,
  );
  const question = { userId: id, organizationId: other, permission: 'data:write' };
  const publish = async (name: string, ids: Partial<Ids>): Promise<void> => {
    const { seq } = await nats.jetstream().publish(`${prefix}.${name}`, JSON.stringify(ids));
    await replicas.applied(seq);
  };
  const setRole = (role: string) => pool.query(`UPDATE "${members}" SET role = '${role}'`);
  const reasons = async () => new Set((await replicas.ask(question)).map(({ reason }) => reason));

  it.each(events)('a revocation stays in force when the event has %s', async (_, ids) => {
    for (const [name, needed] of [
      ['member.role_changed', ids],
      ['user.updated', { userId: ids.userId }],
      ['organization_role.changed', { organizationId: ids.organizationId }],
    ] as const) {
      await setRole('admin');
      await publish('resync', {});
      expect(await reasons()).toEqual(new Set(['REASON_ROLE_GRANTS']));
      await setRole('viewer');
      // Cached by every replica: no event has been published.
      expect(await reasons()).toEqual(new Set(['REASON_ROLE_GRANTS']));
      await publish(name, needed);
      expect(await reasons(), name).toEqual(new Set(['REASON_ROLE_LACKS_PERMISSION']));
    }
  });
});
