/** The plugin beside others that meddle with the adapter, in any order, and beside itself. */
import type { BetterAuthPlugin, DBAdapter } from 'better-auth';
import { describe, expect, it, onTestFinished } from 'vitest';
import { assent } from '../../../packages/better-auth/src/index.ts';
import { acknowledged } from '../../support/better-auth/acknowledged.ts';
import { type Application, type ApplicationOptions, createApplication } from '../../support/better-auth/application.ts';
import { type RecordedEvent, recordEvents } from '../../support/better-auth/event-recorder.ts';
import { testDatabase } from '../../support/database.ts';
import { testNats } from '../../support/nats.ts';

const nats = await testNats();
const { prefix, stream } = await testNats();
const { url: databaseUrl } = await testDatabase();
const options = { nats: nats.url, prefix: nats.prefix, stream: nats.stream };
await createApplication({ databaseUrl, assent: null }).migrate();

type Beside = NonNullable<ApplicationOptions['beside']>;
const start = (beside: Beside) => createApplication({ databaseUrl, assent: options, beside }, onTestFinished);

/** Some of everything: by hooks of the database, in a transaction, and by the plugin's own adapter. */
const changeALot = async (application: Application): Promise<readonly RecordedEvent[]> => {
  const { auth, signUp } = application;
  const owner = await signUp('owner');
  const member = await signUp('member');
  const body = { name: 'Acme', slug: crypto.randomUUID() };
  const organizationId = (await auth.api.createOrganization({ body, headers: owner.headers }))?.id ?? '';
  await auth.api.addMember({ body: { userId: member.id, organizationId, role: 'member' } });
  await auth.api.leaveOrganization({ body: { organizationId }, headers: member.headers });
  const { internalAdapter } = await auth.$context;
  await internalAdapter.updateUser(member.id, { role: 'admin' });
  await auth.api.deleteOrganization({ body: { organizationId }, headers: owner.headers });
  return [
    { name: 'user.updated', userId: owner.id },
    { name: 'user.updated', userId: member.id },
    { name: 'organization.updated', organizationId },
    { name: 'member.added', userId: owner.id, organizationId },
    { name: 'member.added', userId: member.id, organizationId },
    { name: 'member.removed', userId: member.id, organizationId },
    { name: 'user.updated', userId: member.id },
    { name: 'organization.deleted', organizationId },
  ];
};
const settle = (application: Application) => acknowledged(application.plugin);

/** Replaces Better Auth's adapter by a wrapper. */
const wrapper = (wrap: (adapter: DBAdapter) => DBAdapter): BetterAuthPlugin => ({
  id: 'wrapper',
  init: ({ adapter }) => ({ context: { adapter: wrap(adapter as DBAdapter) } }),
});
const WRAPPERS: Readonly<Record<string, (adapter: DBAdapter) => DBAdapter>> = {
  'calls the methods': (adapter) => ({ ...adapter, create: (input) => adapter.create(input) as never }),
  'took the methods': (adapter) => ({ ...adapter }),
  'inherits the methods': (adapter) => Object.create(adapter),
  'is a proxy': (adapter) => new Proxy(adapter, {}),
};

describe.each(Object.entries(WRAPPERS))('an adapter that %s', (_, wrap) => {
  it.each<readonly [string, (other: BetterAuthPlugin) => Beside]>([
    ['before it', (other) => (plugin) => [other, plugin]],
    ['after it', (other) => (plugin) => [plugin, other]],
  ])('the plugin beside a wrapped adapter publishes each event once: %s', async (__, order) => {
    const application = start(order(wrapper(wrap)));
    const recorder = await recordEvents(nats.url, nats.prefix, () => {}, onTestFinished);
    const expected = await changeALot(application);
    await settle(application);
    await recorder.catchUp();
    expect(recorder.events).toEqual(expected);
  });
});

it('the plugin publishes each event for an adapter that does not count the rows that it writes', async () => {
  const wrap = (adapter: DBAdapter): DBAdapter => ({
    ...adapter,
    deleteMany: async (input) => (await adapter.deleteMany(input)) * 0,
    updateMany: async (input) => (await adapter.updateMany(input)) * 0,
  });
  const application = start((plugin) => [wrapper(wrap), plugin]);
  const recorder = await recordEvents(nats.url, nats.prefix, () => {}, onTestFinished);
  const user = await application.signUp('user');
  const { adapter } = await application.auth.$context;
  const byId = [{ field: 'id', value: user.id }];
  const byEmail = [{ field: 'email', value: user.email }];
  await adapter.updateMany({ model: 'user', where: byId, update: { role: 'admin' } });
  await adapter.updateMany({ model: 'user', where: byEmail, update: { role: 'user' } });
  await adapter.deleteMany({ model: 'user', where: byEmail });
  await settle(application);
  await recorder.catchUp();
  const updated = { name: 'user.updated', userId: user.id };
  expect(recorder.events).toEqual([updated, updated, updated, { name: 'user.deleted', userId: user.id }]);
});

it.each(['before it', 'after it'])(
  'a plugin that keeps the adapter and writes to it later is observed, %s',
  async (place) => {
    let kept: DBAdapter | null = null;
    const keeper: BetterAuthPlugin = {
      id: 'keeper',
      init: ({ adapter }) => {
        kept = adapter as DBAdapter;
      },
    };
    const application = start((plugin) => (place === 'before it' ? [keeper, plugin] : [plugin, keeper]));
    const recorder = await recordEvents(nats.url, nats.prefix, () => {}, onTestFinished);
    const user = await application.signUp('user');
    await (kept as DBAdapter | null)?.update({
      model: 'user',
      where: [{ field: 'id', value: user.id }],
      update: { role: 'admin' },
    });
    await settle(application);
    await recorder.catchUp();
    expect(recorder.events).toEqual(Array.from({ length: 2 }, () => ({ name: 'user.updated', userId: user.id })));
  },
);

describe('the plugin twice', () => {
  it.each<readonly [string, Beside]>([
    ['the same object', (plugin) => [plugin, plugin]],
    ['two of the same options', (plugin) => [plugin, assent(options)]],
  ])('the plugin in the list twice publishes each event once: %s', async (_, beside) => {
    const application = start(beside);
    const recorder = await recordEvents(nats.url, nats.prefix, () => {}, onTestFinished);
    const expected = await changeALot(application);
    await settle(application);
    await recorder.catchUp();
    expect(recorder.events).toEqual(expected);
  });

  it('the plugin in the list twice for two streams publishes each event to both', async () => {
    const other = { prefix, stream };
    const second = assent({ ...options, ...other });
    onTestFinished(() => second.close());
    const application = start((plugin) => [plugin, second]);
    const recorders = [
      await recordEvents(nats.url, nats.prefix, () => {}, onTestFinished),
      await recordEvents(nats.url, other.prefix, () => {}, onTestFinished),
    ];
    const expected = await changeALot(application);
    await settle(application);
    await acknowledged(second);
    for (const recorder of recorders) {
      await recorder.catchUp();
      expect(recorder.events).toEqual(expected);
    }
  });
});
