/** Better Auth's own roles and statements, as the exporter takes them. */
import * as platform from 'better-auth/plugins/admin/access';
import * as members from 'better-auth/plugins/organization/access';
import type { Defaults } from '../../../packages/better-auth/src/policy/read-auth.ts';

export const BETTER_AUTH_DEFAULTS: Defaults = {
  organization: {
    roles: { owner: members.ownerAc, admin: members.adminAc, member: members.memberAc },
    statements: members.defaultStatements,
  },
  admin: { roles: { admin: platform.adminAc, user: platform.userAc }, statements: platform.defaultStatements },
};
