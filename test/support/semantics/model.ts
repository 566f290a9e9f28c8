/** Random access-control models, and their grants computed by a few lines over maps, without Assent. */
import fc from 'fast-check';

export type Pairs = readonly (readonly [resource: string, action: string])[];

export interface DynamicRole {
  readonly name: string;
  readonly grants: Pairs;
  /** By Better Auth's API, or by SQL: what the API refuses, and what it did not refuse before a role was added. */
  readonly by: 'api' | 'sql';
}

export interface Member {
  /** Each row of the member; Better Auth does not keep them unique. None: not a member. */
  readonly rows: readonly (readonly string[])[];
  /** How the roles of a row are joined: by Better Auth itself, or as other programs write them. */
  readonly separator: string;
  /** `user.role`. */
  readonly platformRole: string | null;
}

export interface Model {
  /** Null: Better Auth's default roles. */
  readonly organizationRoles: readonly (readonly [name: string, grants: Pairs])[] | null;
  readonly platformRoles: readonly (readonly [name: string, grants: Pairs])[] | null;
  readonly defaultPlatformRole: string | null;
  /** Which of the members are `adminUserIds`. */
  readonly admins: readonly number[];
  readonly dynamicRoles: readonly DynamicRole[];
  readonly members: readonly Member[];
}

export const RESOURCES = [
  'data',
  'leave',
  'member',
  'ac',
  'Data',
  'a b',
  'ünï',
  'constructor',
  'toString',
  '__proto__',
];
/** Of the platform alone: what the default role grants of an organization's permissions is left out of an export. */
const PLATFORM_RESOURCES = ['user', 'session', 'audit', 'report', 'valueOf'];
export const ACTIONS = ['read', 'write', 'update', 'create', 'READ', 'constructor', '__proto__'];
const ROLES = [
  'viewer',
  'staff',
  'admin',
  'member',
  'Viewer',
  'night',
  'day',
  'ghost',
  'a b',
  'constructor',
  '__proto__',
];
const STATIC_ROLES = ['viewer', 'staff', 'admin', 'Viewer', 'constructor'];
const PLATFORM_ROLES = ['user', 'admin', 'support', 'constructor'];

/** The usual names come up most. */
const oneOf = (names: readonly string[]) =>
  fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(...names.slice(0, 3)) },
    { weight: 1, arbitrary: fc.constantFrom(...names) },
  );

const pairs = (resources: readonly string[], maxLength: number) =>
  fc.array(fc.tuple(oneOf(resources), oneOf(ACTIONS)), { maxLength });
const roles = (names: readonly string[], resources: readonly string[]) =>
  fc.uniqueArray(fc.tuple(fc.constantFrom(...names), pairs(resources, 9)), {
    selector: ([name]) => name,
    maxLength: 4,
  });

const memberRoles = fc.array(fc.oneof(oneOf(['viewer', 'staff', 'night']), oneOf(ROLES)), {
  minLength: 1,
  maxLength: 3,
});

export const models = (size: number): fc.Arbitrary<Model> =>
  fc.record({
    organizationRoles: fc.option(roles(STATIC_ROLES, RESOURCES), { freq: 5 }),
    platformRoles: fc.option(roles(PLATFORM_ROLES, PLATFORM_RESOURCES), { freq: 3 }),
    defaultPlatformRole: fc.option(fc.constantFrom('user', 'support')),
    admins: fc.subarray(
      Array.from({ length: size }, (_, index) => index),
      { maxLength: 1 },
    ),
    dynamicRoles: fc.array(
      fc.record({
        name: oneOf(['night', 'viewer', 'day', ...ROLES]),
        grants: pairs(RESOURCES, 6),
        by: fc.constantFrom('api', 'sql'),
      }),
      { maxLength: 6 },
    ),
    members: fc.array(
      fc.record({
        rows: fc.oneof(
          { weight: 1, arbitrary: fc.constant([]) },
          { weight: 8, arbitrary: fc.tuple(memberRoles) },
          { weight: 2, arbitrary: fc.tuple(memberRoles, memberRoles) },
        ),
        separator: fc.constantFrom(',', ',', ', ', ' ,, '),
        platformRole: fc.option(fc.constantFrom('user', 'support', 'user,support', 'user, support', 'admin', ',', ''), {
          freq: 3,
        }),
      }),
      { minLength: size, maxLength: size },
    ),
  });

/** Every permission that a model is asked about. */
export const permissionsOf = (model: Model): Pairs => {
  const named = [
    ...(model.organizationRoles ?? []).flatMap(([, grants]) => grants),
    ...(model.platformRoles ?? []).flatMap(([, grants]) => grants),
    ...model.dynamicRoles.flatMap(({ grants }) => grants),
    ...(['member:create', 'ac:read', 'user:ban', 'data:read'].map((text) => text.split(':')) as [string, string][]),
  ];
  return [...new Map(named.map((pair) => [pair.join('\0'), pair])).values()];
};
