/** What a model grants, by maps and nothing else: the third opinion, also where Better Auth has none. */
import * as platformAccess from 'better-auth/plugins/admin/access';
import * as memberAccess from 'better-auth/plugins/organization/access';
import type { Model, Pairs } from './model.ts';

const pairsOf = (statements: object): Pairs =>
  Object.entries(statements).flatMap(([resource, actions]) =>
    (actions as readonly string[]).map((action) => [resource, action] as const),
  );
const MEMBER_DEFAULTS = [
  ['owner', pairsOf(memberAccess.ownerAc.statements)],
  ['admin', pairsOf(memberAccess.adminAc.statements)],
  ['member', pairsOf(memberAccess.memberAc.statements)],
] as const;
const PLATFORM_DEFAULTS = [
  ['admin', pairsOf(platformAccess.adminAc.statements)],
  ['user', pairsOf(platformAccess.userAc.statements)],
] as const;

type Roles = readonly (readonly [name: string, grants: Pairs])[];
const grants = (roles: Roles, held: readonly string[], resource: string, action: string): boolean =>
  roles.some(([name, pairs]) => held.includes(name) && pairs.some(([on, what]) => on === resource && what === action));

export const platformGrants = (model: Model, index: number, resource: string, action: string): boolean => {
  if (model.admins.includes(index)) return true;
  const stored = model.members[index]?.platformRole ?? '';
  const held = (stored === '' ? (model.defaultPlatformRole ?? 'user') : stored).split(',');
  return grants(model.platformRoles ?? PLATFORM_DEFAULTS, held, resource, action);
};

/** @param dynamicRoles The stored dynamic roles, by their stored names. */
export const memberGrants = (
  model: Model,
  dynamicRoles: readonly { readonly name: string; readonly grants: Pairs }[],
  index: number,
  resource: string,
  action: string,
): boolean => {
  const held = (model.members[index]?.rows ?? []).flat();
  const all = [
    ...(model.organizationRoles ?? MEMBER_DEFAULTS),
    ...dynamicRoles.map((role) => [role.name, role.grants] as const),
  ];
  return grants(all, held, resource, action);
};
