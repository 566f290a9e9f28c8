/**
 * Where Better Auth tells of changes that matter for a decision. All of these hooks run after the write is committed.
 * A change has several places where it could be heard, and some have only one: leaving an organization calls no hook of
 * the organization plugin, and hooks of the database know nothing of members.
 */
import type { BetterAuthOptions } from 'better-auth';
import { createAuthMiddleware, getSessionFromCtx, isAPIError } from 'better-auth/api';
import type { OrganizationOptions } from 'better-auth/plugins';
import { z } from 'zod';
import type { Change } from './events.ts';

interface MemberIds {
  readonly userId: string;
  readonly organizationId: string;
}

const memberSchema = z.object({ userId: z.string(), organizationId: z.string() });
const bodySchema = z.object({ organizationId: z.string() });

const ROLE_PATHS = ['/organization/create-role', '/organization/update-role', '/organization/delete-role'];

/** Options for `betterAuth` and its organization plugin that call `publish` with every change and wait for it. */
export const changeHooks = (publish: (change: Change) => Promise<void>) => {
  const member = (name: 'member.added' | 'member.removed' | 'member.role_changed') => {
    return ({ member: { userId, organizationId } }: { readonly member: MemberIds }): Promise<void> =>
      publish({ name, userId, organizationId });
  };
  return {
    organizationHooks: {
      afterAddMember: member('member.added'),
      afterAcceptInvitation: member('member.added'),
      afterUpdateMemberRole: member('member.role_changed'),
      afterRemoveMember: member('member.removed'),
      afterUpdateOrganization: async ({ organization, member: { organizationId } }) =>
        publish({ name: 'organization.updated', organizationId: organization?.id ?? organizationId }),
      afterDeleteOrganization: ({ organization }) =>
        publish({ name: 'organization.deleted', organizationId: organization.id }),
    } satisfies OrganizationOptions['organizationHooks'],

    databaseHooks: {
      // Role, ban and unban; a changed name too, since the hook does not say what changed.
      user: {
        update: { after: ({ id }) => publish({ name: 'user.updated', userId: id }) },
        delete: { after: ({ id }) => publish({ name: 'user.deleted', userId: id }) },
      },
    } satisfies BetterAuthOptions['databaseHooks'],

    hooks: {
      after: createAuthMiddleware(async (context) => {
        const { returned } = context.context;
        if (isAPIError(returned)) return;
        if (context.path === '/organization/leave') {
          const left = memberSchema.safeParse(returned);
          if (left.success) await publish({ name: 'member.removed', ...left.data });
        } else if (ROLE_PATHS.includes(context.path)) {
          const body = bodySchema.safeParse(context.body);
          // Without an id in the request the active organization is meant.
          const organizationId = body.success
            ? body.data.organizationId
            : (await getSessionFromCtx(context))?.session['activeOrganizationId'];
          if (typeof organizationId === 'string') await publish({ name: 'organization_role.changed', organizationId });
        }
      }),
    } satisfies BetterAuthOptions['hooks'],
  };
};
