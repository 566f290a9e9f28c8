/** Events follow the commit: never before it, and none without it. */
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { acknowledged } from '../../support/better-auth/acknowledged.ts';
import { createApplication } from '../../support/better-auth/application.ts';
import { recordEvents } from '../../support/better-auth/event-recorder.ts';
import { testDatabase } from '../../support/database.ts';
import { testNats } from '../../support/nats.ts';

const nats = await testNats();
const { url: databaseUrl } = await testDatabase();
const application = createApplication({
  databaseUrl,
  assent: { nats: nats.url, prefix: nats.prefix, stream: nats.stream },
});
await application.migrate();
const { adapter } = await application.auth.$context;

/** The rows of the database at each event, for a reader that reads at the event. */
const readings: Promise<readonly string[]>[] = [];
const recorder = await recordEvents(nats.url, nats.prefix, ({ organizationId }) => {
  const rows = application.sql('SELECT role FROM member WHERE "organizationId" = $1 ORDER BY role', [organizationId]);
  readings.push(rows.then((found) => found.map(({ role }) => String(role))));
});

const owner = await application.signUp('owner');
const person = await application.signUp('person');
const userId = person.id;
const settle = async (): Promise<void> => {
  await acknowledged(application.plugin);
  await recorder.catchUp();
};
const newOrganization = async (): Promise<string> => {
  const body = { name: 'Acme', slug: crypto.randomUUID() };
  const { id } = (await application.auth.api.createOrganization({ body, headers: owner.headers })) ?? { id: '' };
  await settle();
  recorder.events.length = 0;
  readings.length = 0;
  return id;
};
const memberOf = (organizationId: string, role = 'member') => ({
  model: 'member',
  data: { organizationId, userId, role, createdAt: new Date() },
});
let organizationId = '';
beforeEach(async () => {
  organizationId = await newOrganization();
});

it('a reader that reads at the event sees the change', async () => {
  await adapter.create(memberOf(organizationId));
  await settle();
  await application.auth.api.leaveOrganization({ body: { organizationId }, headers: person.headers });
  await settle();
  await application.auth.api.deleteOrganization({ body: { organizationId }, headers: owner.headers });
  await settle();
  expect(recorder.events.map(({ name }) => name)).toEqual(['member.added', 'member.removed', 'organization.deleted']);
  expect(await Promise.all(readings)).toEqual([['member', 'owner'], ['owner'], []]);
});

describe('in a transaction', () => {
  it('no event is published before the commit', async () => {
    await adapter.transaction(async (transaction) => {
      await transaction.create(memberOf(organizationId));
      await transaction.update({
        model: 'member',
        where: [
          { field: 'organizationId', value: organizationId },
          { field: 'userId', value: userId },
        ],
        update: { role: 'admin' },
      });
      // Another change, so that one event is published.
      await adapter.create(memberOf(organizationId, 'witness'));
      await settle();
      expect(recorder.events).toEqual([{ name: 'member.added', userId, organizationId }]);
      expect(await Promise.all(readings)).toEqual([['owner', 'witness']]);
    });
    await settle();
    expect(recorder.events.slice(1)).toEqual([
      { name: 'member.added', userId, organizationId },
      { name: 'member.role_changed', userId, organizationId },
    ]);
    expect(await readings.at(-1)).toEqual(['admin', 'owner', 'witness']);
  });

  it('no event is published for a transaction that is rolled back', async () => {
    const failure = new Error('changed my mind');
    const work = adapter.transaction(async (transaction) => {
      await transaction.create(memberOf(organizationId));
      await transaction.deleteMany({ model: 'organization', where: [{ field: 'id', value: organizationId }] });
      throw failure;
    });
    await expect(work).rejects.toBe(failure);
    await settle();
    expect(recorder.events).toEqual([]);
  });

  it('no event is published for an endpoint whose transaction the database refuses', async () => {
    await application.sql(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN IF OLD.name = 'Keep' THEN RAISE EXCEPTION 'kept'; END IF; RETURN OLD; END $$`);
    await application.sql('CREATE TRIGGER refuse BEFORE DELETE ON organization FOR EACH ROW EXECUTE FUNCTION refuse()');
    await application.sql(`UPDATE organization SET name = 'Keep' WHERE id = $1`, [organizationId]);
    const deletion = application.auth.api.deleteOrganization({ body: { organizationId }, headers: owner.headers });
    await expect(deletion).rejects.toThrow();
    await settle();
    expect(recorder.events).toEqual([]);
    const left = await application.sql('SELECT 1 FROM member WHERE "organizationId" = $1', [organizationId]);
    expect(left).toHaveLength(1);
  });

  it('no event is published for a transaction that the database refuses to commit', async () => {
    await application.sql(`CREATE FUNCTION refuse_late() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN IF NEW.role = 'late' THEN RAISE EXCEPTION 'too late'; END IF; RETURN NULL; END $$`);
    await application.sql(`CREATE CONSTRAINT TRIGGER refuse_late AFTER INSERT ON member
      DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_late()`);
    const work = adapter.transaction((transaction) => transaction.create(memberOf(organizationId, 'late')));
    await expect(work).rejects.toThrow('too late');
    await settle();
    expect(recorder.events).toEqual([]);
  });
});

it('no event is published for a write that the database refuses', async () => {
  const stranger = { ...memberOf(organizationId).data, userId: 'nobody' };
  await expect(adapter.create({ model: 'member', data: stranger })).rejects.toThrow();
  await settle();
  expect(recorder.events).toEqual([]);
});

describe('writes of many rows', () => {
  it('a write of all members of an organization publishes the organization', async () => {
    const where = [
      { field: 'organizationId', value: organizationId },
      { field: 'role', value: 'owner' },
    ];
    await adapter.updateMany({ model: 'member', where, update: { role: 'admin' } });
    await settle();
    expect(recorder.events).toEqual([{ name: 'organization.updated', organizationId }]);
  });

  it('a write of all memberships of a user publishes the user', async () => {
    await adapter.create(memberOf(organizationId));
    await adapter.deleteMany({ model: 'member', where: [{ field: 'userId', value: userId }] });
    await settle();
    expect(recorder.events.slice(1)).toEqual([{ name: 'user.updated', userId }]);
  });

  it('a write of rows that are found by another column publishes each row', async () => {
    const other = await newOrganization();
    await adapter.create(memberOf(organizationId, 'odd'));
    await adapter.create(memberOf(other, 'odd'));
    await settle();
    recorder.events.length = 0;
    await adapter.deleteMany({ model: 'member', where: [{ field: 'role', value: 'odd' }] });
    await settle();
    expect(recorder.events).toHaveLength(2);
    expect(recorder.events).toEqual(
      expect.arrayContaining([
        { name: 'member.removed', userId, organizationId },
        { name: 'member.removed', userId, organizationId: other },
      ]),
    );
  });

  it('an update that returns only the first of its rows publishes all of them', async () => {
    const other = await newOrganization();
    await adapter.create(memberOf(organizationId, 'odd'));
    await adapter.create(memberOf(other, 'odd'));
    await settle();
    recorder.events.length = 0;
    await adapter.update({ model: 'member', where: [{ field: 'role', value: 'odd' }], update: { role: 'even' } });
    await settle();
    const left = await application.sql(`SELECT 1 FROM member WHERE role = 'even'`);
    expect(left).toHaveLength(2);
    expect(recorder.events).toHaveLength(2);
    expect(recorder.events).toEqual(
      expect.arrayContaining([
        { name: 'member.role_changed', userId, organizationId },
        { name: 'member.role_changed', userId, organizationId: other },
      ]),
    );
  });

  it('an update publishes rows that matched only after the plugin had looked', async () => {
    const { findMany } = adapter;
    onTestFinished(() => void Object.assign(adapter, { findMany }));
    adapter.findMany = async <T>(input: Parameters<typeof findMany>[0]) => {
      const found = await findMany.call(adapter, input);
      await application.sql(`INSERT INTO member VALUES ('late', $1, $2, 'odd', now())`, [organizationId, userId]);
      return found as T[];
    };
    await adapter.update({ model: 'member', where: [{ field: 'role', value: 'odd' }], update: { role: 'even' } });
    await settle();
    expect(recorder.events).toEqual([{ name: 'resync' }]);
  });

  it('a write of more rows than are looked at one by one publishes a resync', async () => {
    await application.sql(
      `INSERT INTO member SELECT 'bulk' || n, $1, $2, 'bulk', now() FROM generate_series(1, 101) n`,
      [organizationId, userId],
    );
    await adapter.deleteMany({ model: 'member', where: [{ field: 'role', value: 'bulk' }] });
    await settle();
    expect(recorder.events).toEqual([{ name: 'resync' }]);
  });

  it('a row that moves to another organization publishes both organizations', async () => {
    const other = await newOrganization();
    const { id } = await adapter.create<Record<string, unknown>, { id: string }>(memberOf(organizationId));
    await adapter.update({ model: 'member', where: [{ field: 'id', value: id }], update: { organizationId: other } });
    await settle();
    expect(recorder.events.slice(1)).toEqual([
      { name: 'member.role_changed', userId, organizationId },
      { name: 'member.role_changed', userId, organizationId: other },
    ]);
  });

  it('a write with an id that is too long for NATS publishes the rows that are found, and later events are published', async () => {
    await adapter.deleteMany({ model: 'member', where: [{ field: 'organizationId', value: 'x'.repeat(2_000_000) }] });
    await adapter.create(memberOf(organizationId));
    await settle();
    expect(recorder.events).toEqual([{ name: 'member.added', userId, organizationId }]);
  });

  it('a write of no rows publishes no event', async () => {
    const where = [{ field: 'role', value: 'no member has this' }];
    await adapter.deleteMany({ model: 'member', where });
    await adapter.updateMany({ model: 'member', where, update: { role: 'other' } });
    await adapter.update({ model: 'member', where, update: { role: 'other' } });
    await adapter.delete({ model: 'member', where });
    await settle();
    expect(recorder.events).toEqual([]);
  });
});
