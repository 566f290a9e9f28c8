/** The policy without a policy file: the grants of Better Auth's plugins when an application configures no roles. */

/** Better Auth's own defaults (organization plugin and admin plugin, version 1.7), as a policy file. */
export const DEFAULT_POLICY = `version: 1
organizationRoles:
  owner:
    grants:
      organization: [update, delete]
      member: [create, update, delete]
      invitation: [create, cancel]
      team: [create, update, delete]
      ac: [create, read, update, delete]
  admin:
    grants:
      organization: [update]
      member: [create, update, delete]
      invitation: [create, cancel]
      team: [create, update, delete]
      ac: [create, read, update, delete]
  member:
    grants:
      ac: [read]
`;
