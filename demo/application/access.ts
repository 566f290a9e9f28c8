/** What the roles of the demo's application may do. demo/policy.yaml is exported from them, for Assent. */
import { createAccessControl } from 'better-auth/plugins/access';
import {
  adminAc as platformAdmin,
  defaultStatements as platformStatements,
  userAc as platformUser,
} from 'better-auth/plugins/admin/access';
import { adminAc, defaultStatements, memberAc, ownerAc } from 'better-auth/plugins/organization/access';

/** Resources and actions of organizations: the application's own beside Better Auth's. */
export const organizationAccess = createAccessControl({
  ...defaultStatements,
  data: ['read', 'write'],
  leave: ['request', 'approve'],
});

const viewer = { data: ['read'] } as const;
const staff = { data: ['read', 'write'], leave: ['request'] } as const;
const admin = { data: ['read', 'write'], leave: ['request', 'approve'] } as const;

/** Better Auth has no role hierarchy: each role repeats the grants of the role below it. */
export const organizationRoles = {
  viewer: organizationAccess.newRole({ ...memberAc.statements, ...viewer }),
  staff: organizationAccess.newRole({ ...memberAc.statements, ...staff }),
  admin: organizationAccess.newRole({ ...adminAc.statements, ...admin }),
  owner: organizationAccess.newRole({ ...ownerAc.statements, ...admin }),
};

export const platformAccess = createAccessControl({ ...platformStatements, ...organizationAccess.statements });

/** Roles of the whole platform, for the admin plugin. To Assent a superadmin may do everything in every organization. */
export const platformRoles = {
  superadmin: platformAccess.newRole({ ...platformAdmin.statements, ...organizationAccess.statements }),
  user: platformUser,
};
