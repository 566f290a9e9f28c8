/** Where Assent decides differently from Better Auth, on purpose: each line of docs/use/better-auth.md, seen in both. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Reason } from '../../../gen/assent/auth/v1/auth_service_pb.ts';
import { testDatabase } from '../../support/database.ts';
import type { Member, Model } from '../../support/semantics/model.ts';
import { createWorld, type Extra, type Person } from '../../support/semantics/world.ts';

const { url } = await testDatabase();
const world = await createWorld(url, 1);
afterAll(async () => {
  expect(world.faults).toEqual([]);
  await world.end();
});
let person: Person;
beforeAll(() => {
  const [first] = world.people;
  if (first === undefined) throw new Error('no member');
  person = first;
});

const realize = (rows: readonly (readonly string[])[], more: Partial<Member> = {}, extra: Extra = {}) => {
  const model: Model = {
    organizationRoles: [
      ['viewer', [['data', 'read']]],
      ['staff', [['data', 'write']]],
    ],
    platformRoles: [
      ['support', [['data', 'write']]],
      ['user', []],
    ],
    ...{ defaultPlatformRole: 'user', admins: [], dynamicRoles: [] },
    members: [{ rows, separator: ',', platformRole: null, ...more }],
  };
  return world.realize(model, extra);
};
type Real = Awaited<ReturnType<typeof realize>>;
/** Both answers for data:write. */
const both = async (real: Real) => {
  const [theirs, ours] = [
    await world.theirMember(real, person, 'data', 'write'),
    await world.ours(person, real.organizationId, 'data', 'write'),
  ];
  return { theirs, ours: ours.allowed, reason: ours.reason };
};

it('for several actions at once Better Auth needs one role with all of them, and Assent checks each action', async () => {
  const real = await realize([['viewer', 'staff']]);
  const { success } = await real.auth.api.hasPermission({
    body: { organizationId: real.organizationId, permissions: { data: ['read', 'write'] } as never },
    headers: person.headers,
  });
  expect(success).toBe(false);
  expect((await world.ours(person, real.organizationId, 'data', 'read')).allowed).toBe(true);
  expect(await both(real)).toMatchObject({ theirs: true, ours: true });
});

it('of several rows of one member Better Auth reads one, and Assent reads all', async () => {
  expect(await both(await realize([['viewer'], ['staff']]))).toMatchObject({ theirs: false, ours: true });
});

it('of more than a hundred dynamic roles Better Auth loads a hundred, and Assent reads all', async () => {
  const real = await realize([['night']]);
  for (let index = 0; index < 100; index += 1) await real.addRole(`other${index}`, '{}');
  await real.addRole('night', '{"data":["write"]}');
  expect(await both(real)).toMatchObject({ theirs: false, ours: true });
});

it('a dynamic role that cannot be read stops every answer of Better Auth, and Assent ignores it', async () => {
  const real = await realize([['staff', 'broken']]);
  await real.addRole('broken', '{"data":"write"}');
  expect(await both(real)).toMatchObject({ theirs: 'threw', ours: true });
  expect(world.badRoles.splice(0)).toEqual([1]);
});

it.each(['constructor', 'toString', '__proto__'])(
  'Better Auth and Assent differ for a member whose role is called %s',
  async (role) => {
    expect(await both(await realize([[role]]))).toEqual({
      ...{ theirs: 'threw', ours: false },
      reason: Reason.ROLE_LACKS_PERMISSION,
    });
  },
);

it('after a ban Better Auth still answers a remaining session, and Assent denies', async () => {
  const real = await realize([['staff']]);
  await world.pool.query('UPDATE "user" SET banned = true WHERE id = $1', [person.id]);
  expect(await both(real)).toEqual({ theirs: true, ours: false, reason: Reason.USER_BANNED });
});

it('a platform role counts for the admin plugin alone in Better Auth, and in every organization in Assent', async () => {
  for (const rows of [[['viewer']], []]) {
    const real = await realize(rows, { platformRole: 'support' });
    expect(await both(real)).toEqual({ theirs: false, ours: true, reason: Reason.PLATFORM_ROLE_GRANTS });
  }
});

it('when dynamic access control was turned off, Better Auth ignores the rows, and Assent reads them', async () => {
  const real = await realize([['night']], {}, { dynamicAccessControl: false });
  await real.addRole('night', '{"data":["write"]}');
  // ASSENT_NAMING=auto,organizationRole=off makes them agree: test/integration/database/schemas.test.ts.
  expect(await both(real)).toMatchObject({ theirs: false, ours: true });
});

it('a stranger is an error for Better Auth, and a denial for Assent', async () => {
  const real = await realize([]);
  const asking = real.auth.api.hasPermission({
    body: { organizationId: real.organizationId, permissions: { data: ['write'] } as never },
    headers: person.headers,
  });
  await expect(asking).rejects.toMatchObject({ statusCode: 401 });
  expect(await both(real)).toMatchObject({ ours: false, reason: Reason.NOT_A_MEMBER });
});
