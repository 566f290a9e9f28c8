/**
 * Whatever is written through Better Auth's adapter, in a transaction or not: the plugin's events cover what triggers in the
 * database saw. `ASSENT_PROPERTY_RUNS` and `ASSENT_PROPERTY_SEED` make it longer and other.
 */
import type { Where } from 'better-auth';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { outboxSql } from '../../../src/ddl/outbox.ts';
import { asLeastPrivilege } from '../../../tools/assent/least-privilege.ts';
import { acknowledged } from '../../support/better-auth/acknowledged.ts';
import { createApplication } from '../../support/better-auth/application.ts';
import { type RecordedEvent, recordEvents } from '../../support/better-auth/event-recorder.ts';
import { testDatabase } from '../../support/database.ts';
import { testNats } from '../../support/nats.ts';
import { detect, variantOf } from '../../support/relay/outbox.ts';

const RUNS = Number(process.env['ASSENT_PROPERTY_RUNS'] ?? 200);
const SEED = Number(process.env['ASSENT_PROPERTY_SEED'] ?? 7);

const { url: nats, prefix, stream } = await testNats();
const { url: databaseUrl } = await testDatabase();
const application = createApplication({ databaseUrl, assent: { nats, prefix, stream } });
await application.migrate();
await asLeastPrivilege(databaseUrl, outboxSql(await detect(databaseUrl, variantOf("by Better Auth's default names"))));
const { adapter } = await application.auth.$context;
const recorder = await recordEvents(nats, prefix);

const USERS = ['u1', 'u2', 'u3'];
const ORGANIZATIONS = ['o1', 'o2'];
const ROLES = ['owner', 'viewer', 'odd'];
const VALUES: Readonly<Record<string, Readonly<Record<string, readonly unknown[]>>>> = {
  user: { id: USERS, role: ROLES, banned: [true, false], email: USERS.map((id) => `${id}@example.com`), name: ROLES },
  organization: { id: ORGANIZATIONS, name: ROLES, slug: ORGANIZATIONS },
  member: { id: ['m1', 'm2', 'm3'], userId: USERS, organizationId: ORGANIZATIONS, role: ROLES },
  organizationRole: { id: ['r1', 'r2'], organizationId: ORGANIZATIONS, role: ROLES, permission: ['{}', '{"a":["b"]}'] },
};
/** Unique or referenced columns, which no update sets. */
const FIXED: Readonly<Record<string, readonly string[]>> = { user: ['id', 'email'], organization: ['id', 'slug'] };

interface Write {
  readonly method: 'update' | 'updateMany' | 'delete' | 'deleteMany' | 'consumeOne' | 'incrementOne';
  readonly model: string;
  readonly where: Where[];
  readonly update: Record<string, unknown>;
}

const valuesOf = (model: string, field: string): readonly unknown[] => VALUES[model]?.[field] ?? [];
const condition = (model: string): fc.Arbitrary<Where> =>
  fc.constantFrom(...Object.keys(VALUES[model] ?? {})).chain((field) =>
    fc
      .record({
        connector: fc.constantFrom('AND', 'AND', 'OR'),
        operator: field === 'banned' ? fc.constant('eq') : fc.constantFrom('eq', 'eq', 'eq', 'ne', 'in'),
        value: fc.constantFrom(...valuesOf(model, field)),
      })
      .map((one) => ({ ...one, field, value: one.operator === 'in' ? [one.value] : one.value }) as Where),
  );
const write: fc.Arbitrary<Write> = fc.constantFrom(...Object.keys(VALUES)).chain((model) => {
  const fields = Object.keys(VALUES[model] ?? {}).filter((field) => field !== 'id' && !FIXED[model]?.includes(field));
  return fc.record({
    method: fc.constantFrom('update', 'updateMany', 'delete', 'deleteMany', 'consumeOne', 'incrementOne'),
    model: fc.constant(model),
    where: fc.array(condition(model), { minLength: 1, maxLength: 2 }),
    update: fc
      .subarray(fields, { minLength: 1 })
      .chain((some) =>
        fc.record(Object.fromEntries(some.map((field) => [field, fc.constantFrom(...valuesOf(model, field))]))),
      ),
  });
});
const transaction = fc.record({
  writes: fc.array(write, { minLength: 1, maxLength: 3 }),
  end: fc.constantFrom('none', 'commit', 'commit', 'roll back'),
});

type Adapter = Pick<typeof adapter, Write['method']>;
const perform = async (on: Adapter, { method, model, where, update }: Write): Promise<void> => {
  if (method === 'update') await on.update({ model, where, update });
  else if (method === 'updateMany') await on.updateMany({ model, where, update });
  else if (method === 'delete') await on.delete({ model, where });
  else if (method === 'deleteMany') await on.deleteMany({ model, where });
  else if (method === 'consumeOne') await on.consumeOne({ model, where });
  else await on.incrementOne({ model, where, increment: {}, set: update });
};
const covers = (event: RecordedEvent, row: RecordedEvent): boolean => {
  if (event.name === 'resync') return true;
  if (event.name.startsWith('user.')) return event.userId === row.userId;
  if (event.name.startsWith('member.')) {
    return row.userId === event.userId && row.organizationId === event.organizationId;
  }
  return event.organizationId === row.organizationId;
};
const reset = async (): Promise<void> => {
  await application.sql('DELETE FROM "user"');
  await application.sql('DELETE FROM organization');
  for (const id of USERS) {
    await application.sql(
      `INSERT INTO "user" (id, name, email, "emailVerified", "createdAt", "updatedAt", role, banned)
       VALUES ($1, 'odd', $1 || '@example.com', true, now(), now(), 'viewer', false)`,
      [id],
    );
  }
  for (const id of ORGANIZATIONS) {
    await application.sql(`INSERT INTO organization (id, name, slug, "createdAt") VALUES ($1, 'odd', $1, now())`, [id]);
  }
  const members = [
    ['u1', 'o1', 'owner'],
    ['u2', 'o1', 'odd'],
    ['u2', 'o2', 'odd'],
  ];
  for (const [index, values] of members.entries()) {
    await application.sql(
      `INSERT INTO member (id, "userId", "organizationId", role, "createdAt") VALUES ('m${index + 1}', $1, $2, $3, now())`,
      values,
    );
  }
  for (const [index, organizationId] of ORGANIZATIONS.entries()) {
    await application.sql(
      `INSERT INTO "organizationRole" (id, "organizationId", role, permission, "createdAt")
       VALUES ('r${index + 1}', $1, 'odd', '{}', now())`,
      [organizationId],
    );
  }
  await application.sql('DELETE FROM assent.outbox');
};
const seen = async (): Promise<readonly RecordedEvent[]> => {
  const rows = await application.sql('DELETE FROM assent.outbox RETURNING name, user_id, organization_id');
  return rows.map((row) => ({
    name: String(row['name']),
    ...(row['user_id'] === null ? {} : { userId: String(row['user_id']) }),
    ...(row['organization_id'] === null ? {} : { organizationId: String(row['organization_id']) }),
  }));
};

it('the events of the plugin cover every change', async () => {
  let changes = 0;
  await fc.assert(
    fc.asyncProperty(transaction, async ({ writes, end }) => {
      await reset();
      recorder.events.length = 0;
      const all = async (on: Adapter): Promise<void> => {
        for (const one of writes) await perform(on, one);
        if (end === 'roll back') throw new Error('rolled back');
      };
      // What the database refuses is not done.
      if (end === 'none') for (const one of writes) await perform(adapter, one).catch(() => {});
      else await adapter.transaction(all).catch(() => {});
      await acknowledged(application.plugin);
      await recorder.catchUp();
      const rows = await seen();
      changes += rows.length;
      expect(rows.filter((row) => !recorder.events.some((event) => covers(event, row)))).toEqual([]);
      if (end === 'roll back') expect(recorder.events).toEqual([]);
    }),
    { numRuns: RUNS, seed: SEED },
  );
  // So that it proved something.
  expect(changes).toBeGreaterThan(RUNS);
}, 600_000);
