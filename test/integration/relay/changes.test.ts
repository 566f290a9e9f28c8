/** Raw SQL and cascades, past every plugin: each decision is right on three replicas once the event is applied. */
import { connect } from 'nats';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runRelay } from '../../../src/relay/relay.ts';
import { leastPrivilegeUrl } from '../../../tools/assent/least-privilege.ts';
import { testNats } from '../../support/nats.ts';
import { testRedis } from '../../support/redis.ts';
import { outboxDatabase, variantOf } from '../../support/relay/outbox.ts';
import { type Question, startReplicas } from '../../support/relay/replicas.ts';
import { createSeed, SINGULAR } from '../../support/seed.ts';
import { until } from '../../support/until.ts';

const POLICY = `
version: 1
organizationRoles:
  viewer: { grants: { data: [read] } }
  admin: { extends: [viewer], grants: { data: [write] } }
platformRoles:
  superadmin: { grants: { "*": ["*"] } }
`;

const { url: natsUrl, prefix, stream } = await testNats();
const redis = await testRedis();
const { url, pool, waiting } = await outboxDatabase(variantOf("by Better Auth's default names"));
const seed = createSeed(pool, SINGULAR);
const replicas = await startReplicas(
  {
    DATABASE_URL: leastPrivilegeUrl(url),
    REDIS_URL: redis.url,
    NATS_URL: natsUrl,
    NATS_STREAM: stream,
    ASSENT_EVENTS_PREFIX: prefix,
    // Nothing but an event can make an answer new.
    ASSENT_PERMISSION_TTL_SECONDS: '3600',
  },
  POLICY,
);
const nats = await connect({ servers: natsUrl });
const manager = await nats.jetstreamManager();
const stopping = new AbortController();
let running: Promise<void>;
beforeAll(async () => {
  running = runRelay(
    {
      ...{
        databaseUrl: leastPrivilegeUrl(url, 'assent_relay'),
        url: natsUrl,
        stream,
        prefix,
        mode: 'stream',
        domain: null,
      },
      ...{ maxAgeMs: 3_660_000, batchSize: 500, pollMs: 60_000, ackTimeoutMs: 5_000 },
      observer: { state: () => {}, relayed: () => {}, fault: () => {} },
    },
    stopping.signal,
  );
});
afterAll(async () => {
  stopping.abort();
  await running;
  await nats.close();
});

/** Until every change so far is published, and applied by each replica. */
const settle = async (): Promise<void> => {
  await until('an empty outbox', async () => (await waiting()) === 0);
  await replicas.applied((await manager.streams.info(stream)).state.last_seq);
};

/** Until the change each replica answers `before`, and goes on doing so from its memory; then all answer `after`. */
const flips = async (question: Question, before: string, change: () => Promise<unknown>, after: string) => {
  await settle();
  await replicas.ask(question);
  for (const { reason, source } of await replicas.ask(question)) {
    expect({ reason, source }).toEqual({ reason: before, source: 'SOURCE_MEMORY' });
  }
  await change();
  await settle();
  for (const { reason } of await replicas.ask(question)) expect(reason).toBe(after);
};

const member = async (role: string) => {
  const [userId, organizationId] = [await seed.user(), await seed.organization()];
  const rowId = await seed.member(userId, organizationId, role);
  return { userId, organizationId, rowId };
};
const write = ({ userId, organizationId }: { userId: string; organizationId: string }): Question => ({
  ...{ userId, organizationId },
  permission: 'data:write',
});
const [GRANTS, LACKS, STRANGER, BANNED] = [
  'REASON_ROLE_GRANTS',
  'REASON_ROLE_LACKS_PERMISSION',
  'REASON_NOT_A_MEMBER',
  'REASON_USER_BANNED',
];
const [NO_USER, NO_ORGANIZATION, PLATFORM] = [
  'REASON_USER_NOT_FOUND',
  'REASON_ORGANIZATION_NOT_FOUND',
  'REASON_PLATFORM_ROLE_GRANTS',
];

describe('by triggers and relay every replica learns that a member', () => {
  it('every replica learns that a member is added', async () => {
    const [userId, organizationId] = [await seed.user(), await seed.organization()];
    const add = () => seed.member(userId, organizationId, 'admin');
    await flips(write({ userId, organizationId }), STRANGER, add, GRANTS);
  });

  it('every replica learns that a member gets a role and loses it', async () => {
    const one = await member('viewer');
    await flips(write(one), LACKS, () => seed.setRole(one.userId, one.organizationId, 'viewer,admin'), GRANTS);
    await flips(write(one), GRANTS, () => seed.setRole(one.userId, one.organizationId, 'viewer'), LACKS);
  });

  it('every replica learns that a member is removed, or leaves', async () => {
    const one = await member('admin');
    await flips(write(one), GRANTS, () => seed.removeMember(one.userId, one.organizationId), STRANGER);
  });

  it('every replica learns that a member row is given to another user, for both users', async () => {
    const one = await member('admin');
    const userId = await seed.user();
    const move = () => pool.query('UPDATE member SET "userId" = $1 WHERE id = $2', [userId, one.rowId]);
    await replicas.ask(write({ ...one, userId }));
    await flips(write(one), GRANTS, move, STRANGER);
    for (const { reason } of await replicas.ask(write({ ...one, userId }))) expect(reason).toBe(GRANTS);
  });

  it('every replica learns that a member is one of many that one statement changes', async () => {
    const organizationId = await seed.organization();
    const users = await Promise.all(Array.from({ length: 20 }, () => seed.user()));
    for (const userId of users) await seed.member(userId, organizationId, 'admin');
    await settle();
    for (const userId of users) await replicas.ask(write({ userId, organizationId }));
    await pool.query(`UPDATE member SET role = 'viewer' WHERE "organizationId" = $1`, [organizationId]);
    await settle();
    for (const userId of users) {
      for (const { reason } of await replicas.ask(write({ userId, organizationId }))) expect(reason).toBe(LACKS);
    }
  });
});

describe('by triggers and relay every replica learns that a user', () => {
  it('every replica learns that a user is banned and unbanned', async () => {
    const one = await member('admin');
    await flips(write(one), GRANTS, () => seed.updateUser(one.userId, { banned: true }), BANNED);
    await flips(write(one), BANNED, () => seed.updateUser(one.userId, { banned: false }), GRANTS);
  });

  it('every replica learns that a user has a ban that gets an end in the past', async () => {
    const one = await member('admin');
    await seed.updateUser(one.userId, { banned: true });
    await flips(write(one), BANNED, () => seed.updateUser(one.userId, { banExpires: new Date(1) }), GRANTS);
  });

  it('every replica learns that a user gets a platform role and loses it', async () => {
    const userId = await seed.user();
    const question = { userId, permission: 'data:write' };
    await flips(question, LACKS, () => seed.updateUser(userId, { role: 'superadmin' }), PLATFORM);
    await flips(question, PLATFORM, () => seed.updateUser(userId, { role: null }), LACKS);
  });

  it('every replica learns that a user is removed with the memberships', async () => {
    const one = await member('admin');
    const remove = () => pool.query('DELETE FROM "user" WHERE id = $1', [one.userId]);
    await flips(write(one), GRANTS, remove, NO_USER);
  });

  it('every replica learns that a user was created after a check of the id', async () => {
    const question = { userId: 'comes-later', permission: 'data:write' };
    await flips(question, NO_USER, () => seed.user({ id: 'comes-later', role: 'superadmin' }), PLATFORM);
  });
});

describe('by triggers and relay every replica learns that an organization', () => {
  it('every replica learns that an organization is deleted with its members', async () => {
    const one = await member('admin');
    const remove = () => pool.query('DELETE FROM organization WHERE id = $1', [one.organizationId]);
    await flips(write(one), GRANTS, remove, NO_ORGANIZATION);
  });

  it('every replica learns that an organization was created after a check of the id', async () => {
    const question = write({ userId: await seed.user(), organizationId: 'opens-later' });
    await flips(question, NO_ORGANIZATION, () => seed.organization({ id: 'opens-later' }), STRANGER);
  });
});

describe('by triggers and relay every replica learns that a dynamic role', () => {
  const role = (organizationId: string, permission: string) =>
    pool.query(
      `INSERT INTO "organizationRole" (id, "organizationId", role, permission, "createdAt")
       VALUES (gen_random_uuid()::text, $1, 'night', $2, now())`,
      [organizationId, permission],
    );

  it('every replica learns that a dynamic role is created, changed, renamed and deleted', async () => {
    const one = await member('night');
    const { organizationId } = one;
    const set = (assignment: string) => () =>
      pool.query(`UPDATE "organizationRole" SET ${assignment} WHERE "organizationId" = $1`, [organizationId]);
    await flips(write(one), LACKS, () => role(organizationId, '{"data":["write"]}'), GRANTS);
    await flips(write(one), GRANTS, set(`permission = '{"data":["read"]}'`), LACKS);
    await flips(write(one), LACKS, set(`permission = '{"data":["read","write"]}'`), GRANTS);
    await flips(write(one), GRANTS, set(`role = 'day'`), LACKS);
    await flips(write(one), LACKS, set(`role = 'night'`), GRANTS);
    const remove = () => pool.query('DELETE FROM "organizationRole" WHERE "organizationId" = $1', [organizationId]);
    await flips(write(one), GRANTS, remove, LACKS);
  });

  it('every replica learns that a dynamic role moves to another organization, for both organizations', async () => {
    const [one, other] = [await member('night'), await member('night')];
    await role(one.organizationId, '{"data":["write"]}');
    await replicas.ask(write(other));
    const move = () =>
      pool.query('UPDATE "organizationRole" SET "organizationId" = $1 WHERE "organizationId" = $2', [
        other.organizationId,
        one.organizationId,
      ]);
    await flips(write(one), GRANTS, move, LACKS);
    for (const { reason } of await replicas.ask(write(other))) expect(reason).toBe(GRANTS);
  });
});

describe('by triggers and relay every replica', () => {
  it('every replica learns of all changes of a transaction when it commits, and of none when it is rolled back', async () => {
    const one = await member('admin');
    const transaction = (end: string) => async () => {
      const client = await pool.connect();
      await client.query('BEGIN');
      await client.query('UPDATE member SET role = $1 WHERE id = $2', ['viewer', one.rowId]);
      await client.query(end);
      client.release();
    };
    await flips(write(one), GRANTS, transaction('ROLLBACK'), GRANTS);
    await flips(write(one), GRANTS, transaction('COMMIT'), LACKS);
  });

  it('every replica treats all facts as stale after a TRUNCATE', async () => {
    const one = await member('admin');
    await flips(write(one), GRANTS, () => pool.query('TRUNCATE member'), STRANGER);
  });
});
