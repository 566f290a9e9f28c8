/** The table of changes: each made through Better Auth's own API, with the events that must follow. */
import { type Application, PASSWORD } from './application.ts';
import type { RecordedEvent } from './event-recorder.ts';

/** A question to Assent, and the reason of its answer before a change and after it. */
export interface Flip {
  readonly userId: string;
  /** Absent: the whole platform. */
  readonly organizationId?: string;
  readonly permission: string;
  /** Null where nothing could be asked, or where raw SQL changed the answer meanwhile. */
  readonly before: string | null;
  readonly after: string;
}

/** A change, and the events that it must publish. They are read after the change, since some ids come with it. */
export interface Scenario {
  readonly act: () => Promise<unknown>;
  readonly expected: () => readonly RecordedEvent[];
  readonly flips: () => readonly Flip[];
}

export type Prepare = (application: Application) => Promise<Scenario>;

type Person = Awaited<ReturnType<Application['signUp']>>;

const organizationOf = async ({ auth }: Application, owner: Person): Promise<string> => {
  const slug = crypto.randomUUID();
  const created = await auth.api.createOrganization({ body: { name: 'Acme', slug }, headers: owner.headers });
  if (created === null) throw new Error('no organization');
  return created.id;
};

/** An organization with its owner and one member. */
const team = async (application: Application) => {
  const owner = await application.signUp('owner');
  const member = await application.signUp('member');
  const organizationId = await organizationOf(application, owner);
  const body = { userId: member.id, organizationId, role: 'member' as const };
  const added = await application.auth.api.addMember({ body });
  return { owner, member, organizationId, memberId: added?.id ?? '', ids: { userId: member.id, organizationId } };
};

/** A user, and another user with the platform role admin. */
const withAdmin = async (application: Application) => {
  const user = await application.signUp('user');
  const admin = await application.signUp('admin');
  const adapter = (await application.auth.$context).internalAdapter;
  await adapter.updateUser(admin.id, { role: 'admin' });
  return { user, headers: admin.headers };
};

const REQUEST = 'leave:request';
const APPROVE = 'leave:approve';
const LIST = 'user:list';

/** A permission that a member has by their role, and a stranger lacks. */
const flip =
  (ids: { userId: string; organizationId?: string }, permission: string, before: string | null, after: string) =>
  (): readonly Flip[] => [{ ...ids, permission, before, after }];
const joins = (ids: { userId: string; organizationId: string }) => flip(ids, REQUEST, 'NOT_A_MEMBER', 'ROLE_GRANTS');
const goes = (ids: { userId: string; organizationId: string }) => flip(ids, REQUEST, 'ROLE_GRANTS', 'NOT_A_MEMBER');

const one = (name: string, ids: Omit<RecordedEvent, 'name'>) => (): readonly RecordedEvent[] => [{ name, ...ids }];

/** By raw SQL, which publishes no event: only the event of the scenario can make the answer new. */
const giveRole = (application: Application, memberId: string, role: string) =>
  application.sql(`UPDATE ${application.table('member')} SET role = $2 WHERE id = $1`, [memberId, role]);

const dynamicRole = async (application: Application, owner: Person, organizationId: string, role: string) =>
  application.auth.api.createOrgRole({
    body: { role, permission: { leave: ['approve'] }, organizationId },
    headers: owner.headers,
  });

export const scenarios: Readonly<Record<string, Prepare>> = {
  'create an organization': async (application) => {
    const owner = await application.signUp('owner');
    let organizationId = '';
    return {
      act: async () => {
        organizationId = await organizationOf(application, owner);
      },
      expected: () => [
        { name: 'organization.updated', organizationId },
        { name: 'member.added', userId: owner.id, organizationId },
      ],
      flips: () =>
        organizationId === ''
          ? []
          : [{ userId: owner.id, organizationId, permission: APPROVE, before: null, after: 'ROLE_GRANTS' }],
    };
  },
  'update an organization': async (application) => {
    const { owner, organizationId, ids } = await team(application);
    return {
      act: () =>
        application.auth.api.updateOrganization({
          body: { organizationId, data: { name: 'Other' } },
          headers: owner.headers,
        }),
      expected: one('organization.updated', { organizationId }),
      flips: flip(ids, REQUEST, 'ROLE_GRANTS', 'ROLE_GRANTS'),
    };
  },
  'add a member from the server': async (application) => {
    const { organizationId } = await team(application);
    const { id: userId } = await application.signUp('second');
    const body = { userId, organizationId, role: 'member' as const };
    return {
      act: () => application.auth.api.addMember({ body }),
      expected: one('member.added', { userId, organizationId }),
      flips: joins({ userId, organizationId }),
    };
  },
  'accept an invitation': async (application) => {
    const { owner, organizationId } = await team(application);
    const invited = await application.signUp('invited');
    await application.sql(`UPDATE ${application.table('user')} SET "emailVerified" = true WHERE id = $1`, [invited.id]);
    const { id: invitationId } = await application.auth.api.createInvitation({
      body: { email: invited.email, role: 'member', organizationId },
      headers: owner.headers,
    });
    return {
      act: () => application.auth.api.acceptInvitation({ body: { invitationId }, headers: invited.headers }),
      expected: one('member.added', { userId: invited.id, organizationId }),
      flips: joins({ userId: invited.id, organizationId }),
    };
  },
  'change a role': async (application) => {
    const { owner, organizationId, memberId, ids } = await team(application);
    return {
      act: () =>
        application.auth.api.updateMemberRole({
          body: { memberId, role: 'admin', organizationId },
          headers: owner.headers,
        }),
      expected: one('member.role_changed', ids),
      flips: flip(ids, APPROVE, 'ROLE_LACKS_PERMISSION', 'ROLE_GRANTS'),
    };
  },
  'take a role away': async (application) => {
    const { owner, organizationId, memberId, ids } = await team(application);
    const change = (role: 'admin' | 'member') =>
      application.auth.api.updateMemberRole({ body: { memberId, role, organizationId }, headers: owner.headers });
    await change('admin');
    return {
      act: () => change('member'),
      expected: one('member.role_changed', ids),
      flips: flip(ids, APPROVE, 'ROLE_GRANTS', 'ROLE_LACKS_PERMISSION'),
    };
  },
  'remove a member': async (application) => {
    const { owner, organizationId, memberId, ids } = await team(application);
    return {
      act: () =>
        application.auth.api.removeMember({
          body: { memberIdOrEmail: memberId, organizationId },
          headers: owner.headers,
        }),
      expected: one('member.removed', ids),
      flips: goes(ids),
    };
  },
  'leave an organization': async (application) => {
    const { member, organizationId, ids } = await team(application);
    return {
      act: () => application.auth.api.leaveOrganization({ body: { organizationId }, headers: member.headers }),
      expected: one('member.removed', ids),
      flips: goes(ids),
    };
  },
  'delete an organization': async (application) => {
    const { owner, organizationId, ids } = await team(application);
    return {
      act: () => application.auth.api.deleteOrganization({ body: { organizationId }, headers: owner.headers }),
      expected: one('organization.deleted', { organizationId }),
      flips: flip(ids, REQUEST, 'ROLE_GRANTS', 'ORGANIZATION_NOT_FOUND'),
    };
  },
  'create a dynamic role': async (application) => {
    const { owner, organizationId, memberId, ids } = await team(application);
    await giveRole(application, memberId, 'member,approver');
    return {
      act: () => dynamicRole(application, owner, organizationId, 'approver'),
      expected: one('organization_role.changed', { organizationId }),
      flips: flip(ids, APPROVE, 'ROLE_LACKS_PERMISSION', 'ROLE_GRANTS'),
    };
  },
  'change a dynamic role': async (application) => {
    const { owner, organizationId, memberId, ids } = await team(application);
    await dynamicRole(application, owner, organizationId, 'approver');
    await giveRole(application, memberId, 'member,approver');
    return {
      act: () =>
        application.auth.api.updateOrgRole({
          body: { roleName: 'approver', organizationId, data: { permission: { leave: ['request'] } } },
          headers: owner.headers,
        }),
      expected: one('organization_role.changed', { organizationId }),
      flips: flip(ids, APPROVE, 'ROLE_GRANTS', 'ROLE_LACKS_PERMISSION'),
    };
  },
  'delete a dynamic role': async (application) => {
    const { owner, organizationId, memberId, ids } = await team(application);
    await dynamicRole(application, owner, organizationId, 'approver');
    await giveRole(application, memberId, 'member,approver');
    return {
      act: async () => {
        // Better Auth refuses to delete a role that a member has.
        await giveRole(application, memberId, 'member');
        const body = { roleName: 'approver', organizationId };
        await application.auth.api.deleteOrgRole({ body, headers: owner.headers });
      },
      expected: one('organization_role.changed', { organizationId }),
      flips: flip(ids, APPROVE, 'ROLE_GRANTS', 'ROLE_LACKS_PERMISSION'),
    };
  },
  'ban a user': async (application) => {
    const { headers } = await withAdmin(application);
    const { ids } = await team(application);
    const { userId } = ids;
    return {
      act: () => application.auth.api.banUser({ body: { userId, banExpiresIn: 3600 }, headers }),
      expected: one('user.updated', { userId }),
      flips: () => [
        { ...ids, permission: REQUEST, before: 'ROLE_GRANTS', after: 'USER_BANNED' },
        { userId, permission: LIST, before: 'ROLE_LACKS_PERMISSION', after: 'USER_BANNED' },
      ],
    };
  },
  'lift a ban': async (application) => {
    const { headers } = await withAdmin(application);
    const { ids } = await team(application);
    const { userId } = ids;
    await application.auth.api.banUser({ body: { userId }, headers });
    return {
      act: () => application.auth.api.unbanUser({ body: { userId }, headers }),
      expected: one('user.updated', { userId }),
      flips: () => [
        { ...ids, permission: REQUEST, before: 'USER_BANNED', after: 'ROLE_GRANTS' },
        { userId, permission: LIST, before: 'USER_BANNED', after: 'ROLE_LACKS_PERMISSION' },
      ],
    };
  },
  'set a platform role': async (application) => {
    const { user, headers } = await withAdmin(application);
    return {
      act: () => application.auth.api.setRole({ body: { userId: user.id, role: 'admin' }, headers }),
      expected: one('user.updated', { userId: user.id }),
      flips: flip({ userId: user.id }, LIST, 'ROLE_LACKS_PERMISSION', 'PLATFORM_ROLE_GRANTS'),
    };
  },
  'take a platform role away': async (application) => {
    const { user, headers } = await withAdmin(application);
    const set = (role: 'admin' | 'user') => application.auth.api.setRole({ body: { userId: user.id, role }, headers });
    await set('admin');
    return {
      act: () => set('user'),
      expected: one('user.updated', { userId: user.id }),
      flips: flip({ userId: user.id }, LIST, 'PLATFORM_ROLE_GRANTS', 'ROLE_LACKS_PERMISSION'),
    };
  },
  'sign in once a ban has ended, which lifts it': async (application) => {
    const { user, headers } = await withAdmin(application);
    await application.auth.api.banUser({ body: { userId: user.id, banExpiresIn: 3600 }, headers });
    await application.sql(
      `UPDATE ${application.table('user')} SET "banExpires" = now() - interval '1 hour' WHERE id = $1`,
      [user.id],
    );
    return {
      act: () => application.signIn(user.email),
      expected: one('user.updated', { userId: user.id }),
      flips: flip({ userId: user.id }, LIST, null, 'ROLE_LACKS_PERMISSION'),
    };
  },
  'remove a user who is a member': async (application) => {
    const { headers } = await withAdmin(application);
    const { member, ids } = await team(application);
    return {
      act: () => application.auth.api.removeUser({ body: { userId: member.id }, headers }),
      expected: one('user.deleted', { userId: member.id }),
      flips: flip(ids, REQUEST, 'ROLE_GRANTS', 'USER_NOT_FOUND'),
    };
  },
  'delete oneself': async (application) => {
    const { member, ids } = await team(application);
    return {
      act: () => application.auth.api.deleteUser({ body: { password: PASSWORD }, headers: member.headers }),
      expected: one('user.deleted', { userId: member.id }),
      flips: flip(ids, REQUEST, 'ROLE_GRANTS', 'USER_NOT_FOUND'),
    };
  },
  'create a user with a platform role': async (application) => {
    const { headers } = await withAdmin(application);
    let userId = '';
    return {
      act: async () => {
        const email = `${crypto.randomUUID()}@example.com`;
        const body = { name: 'new', email, password: PASSWORD, role: 'admin' as const };
        userId = (await application.auth.api.createUser({ body, headers })).user.id;
      },
      expected: () => [{ name: 'user.updated', userId }],
      flips: () => (userId === '' ? [] : [{ userId, permission: LIST, before: null, after: 'PLATFORM_ROLE_GRANTS' }]),
    };
  },
  // What assignOrganization of @better-auth/sso 1.7.5 does, by provider and by domain.
  'SSO provisioning, which writes to the adapter': async (application) => {
    const { organizationId } = await team(application);
    const { id: userId } = await application.signUp('sso');
    const { adapter } = await application.auth.$context;
    const data = { organizationId, userId, role: 'member', createdAt: new Date() };
    return {
      act: () => adapter.create({ model: 'member', data }),
      expected: one('member.added', { userId, organizationId }),
      flips: joins({ userId, organizationId }),
    };
  },
};

/** Writes that no decision depends on. */
export const silent: Readonly<Record<string, (application: Application) => Promise<() => Promise<unknown>>>> = {
  'sign in': async (application) => {
    const { email } = await application.signUp('user');
    return () => application.signIn(email);
  },
  'sign out': async (application) => {
    const { headers } = await application.signUp('user');
    return () => application.auth.api.signOut({ headers });
  },
  'change a name': async (application) => {
    const { headers } = await application.signUp('user');
    return () => application.auth.api.updateUser({ body: { name: 'other' }, headers });
  },
  'choose the active organization': async (application) => {
    const { owner, organizationId } = await team(application);
    return () => application.auth.api.setActiveOrganization({ body: { organizationId }, headers: owner.headers });
  },
  'get a token': async (application) => {
    const { headers } = await application.signUp('user');
    return () => application.auth.api.getToken({ headers });
  },
  'a refused change': async (application) => {
    const { member, memberId, organizationId } = await team(application);
    const body = { memberId, role: 'owner' as const, organizationId };
    return () => application.auth.api.updateMemberRole({ body, headers: member.headers }).catch(() => {});
  },
};
