/** The table of changes: each made through Better Auth's own API, with the events that must follow. */
import { type Application, PASSWORD } from './application.ts';
import type { Heard } from './ear.ts';

/** What is about to happen, and what must be heard of it (looked at afterwards: some ids come with the change). */
export interface Scenario {
  readonly act: () => Promise<unknown>;
  readonly expected: () => readonly Heard[];
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

/** A user and somebody with the platform role admin. */
const withAdmin = async (application: Application) => {
  const user = await application.signUp('user');
  const admin = await application.signUp('admin');
  const adapter = (await application.auth.$context).internalAdapter;
  await adapter.updateUser(admin.id, { role: 'admin' });
  return { user, headers: admin.headers };
};

const one = (name: string, ids: Omit<Heard, 'name'>) => (): readonly Heard[] => [{ name, ...ids }];

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
    };
  },
  'update an organization': async (application) => {
    const { owner, organizationId } = await team(application);
    return {
      act: () =>
        application.auth.api.updateOrganization({
          body: { organizationId, data: { name: 'Other' } },
          headers: owner.headers,
        }),
      expected: one('organization.updated', { organizationId }),
    };
  },
  'add a member from the server': async (application) => {
    const { organizationId } = await team(application);
    const { id: userId } = await application.signUp('second');
    const body = { userId, organizationId, role: 'member' as const };
    return {
      act: () => application.auth.api.addMember({ body }),
      expected: one('member.added', { userId, organizationId }),
    };
  },
  'accept an invitation': async (application) => {
    const { owner, organizationId } = await team(application);
    const guest = await application.signUp('guest');
    await application.sql(`UPDATE ${application.table('user')} SET "emailVerified" = true WHERE id = $1`, [guest.id]);
    const { id: invitationId } = await application.auth.api.createInvitation({
      body: { email: guest.email, role: 'member', organizationId },
      headers: owner.headers,
    });
    return {
      act: () => application.auth.api.acceptInvitation({ body: { invitationId }, headers: guest.headers }),
      expected: one('member.added', { userId: guest.id, organizationId }),
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
    };
  },
  'leave an organization': async (application) => {
    const { member, organizationId, ids } = await team(application);
    return {
      act: () => application.auth.api.leaveOrganization({ body: { organizationId }, headers: member.headers }),
      expected: one('member.removed', ids),
    };
  },
  'delete an organization': async (application) => {
    const { owner, organizationId } = await team(application);
    return {
      act: () => application.auth.api.deleteOrganization({ body: { organizationId }, headers: owner.headers }),
      expected: one('organization.deleted', { organizationId }),
    };
  },
  'create a dynamic role': async (application) => {
    const { owner, organizationId } = await team(application);
    return {
      act: () => dynamicRole(application, owner, organizationId, 'approver'),
      expected: one('organization_role.changed', { organizationId }),
    };
  },
  'change a dynamic role': async (application) => {
    const { owner, organizationId } = await team(application);
    await dynamicRole(application, owner, organizationId, 'approver');
    return {
      act: () =>
        application.auth.api.updateOrgRole({
          body: { roleName: 'approver', organizationId, data: { permission: { leave: ['request'] } } },
          headers: owner.headers,
        }),
      expected: one('organization_role.changed', { organizationId }),
    };
  },
  'delete a dynamic role': async (application) => {
    const { owner, organizationId } = await team(application);
    await dynamicRole(application, owner, organizationId, 'approver');
    return {
      act: () =>
        application.auth.api.deleteOrgRole({ body: { roleName: 'approver', organizationId }, headers: owner.headers }),
      expected: one('organization_role.changed', { organizationId }),
    };
  },
  'ban a user': async (application) => {
    const { user, headers } = await withAdmin(application);
    return {
      act: () => application.auth.api.banUser({ body: { userId: user.id, banExpiresIn: 3600 }, headers }),
      expected: one('user.updated', { userId: user.id }),
    };
  },
  'lift a ban': async (application) => {
    const { user, headers } = await withAdmin(application);
    await application.auth.api.banUser({ body: { userId: user.id }, headers });
    return {
      act: () => application.auth.api.unbanUser({ body: { userId: user.id }, headers }),
      expected: one('user.updated', { userId: user.id }),
    };
  },
  'set a platform role': async (application) => {
    const { user, headers } = await withAdmin(application);
    return {
      act: () => application.auth.api.setRole({ body: { userId: user.id, role: 'admin' }, headers }),
      expected: one('user.updated', { userId: user.id }),
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
    };
  },
  'remove a user who is a member': async (application) => {
    const { headers } = await withAdmin(application);
    const { member } = await team(application);
    return {
      act: () => application.auth.api.removeUser({ body: { userId: member.id }, headers }),
      expected: one('user.deleted', { userId: member.id }),
    };
  },
  'delete oneself': async (application) => {
    const { member } = await team(application);
    return {
      act: () => application.auth.api.deleteUser({ body: { password: PASSWORD }, headers: member.headers }),
      expected: one('user.deleted', { userId: member.id }),
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
    };
  },
  'SSO provisioning, which writes to the adapter': async (application) => {
    const { organizationId } = await team(application);
    const { id: userId } = await application.signUp('sso');
    const { adapter } = await application.auth.$context;
    const data = { organizationId, userId, role: 'member', createdAt: new Date() };
    return {
      act: () => adapter.create({ model: 'member', data }),
      expected: one('member.added', { userId, organizationId }),
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
