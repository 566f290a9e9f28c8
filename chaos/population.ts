/** Who there is: the same people as in the bench, with what the service must say of each. */
import {
  generate,
  membershipOrganization,
  membershipRole,
  organizationId,
  type Population,
  userId,
} from '../bench/generate.ts';
import type { Answer, Pair } from './history.ts';

const POPULATION: Population = { users: 300, organizations: 60, membershipsPerUser: 3 };
/** Fewer than there are pairs, so that replicas forget and go to Redis; all else is as shipped. */
export const MEMORY_ENTRIES = 400;

/** A member of an organization, as the database has it. */
export interface Membership extends Pair {
  /** Null when not a member. */
  role: string | null;
}

export interface Person {
  readonly userId: string;
  readonly memberships: readonly Membership[];
  banned: boolean;
  /** A change of this user is being made or told. */
  busy: boolean;
}

/** The role with the permission, and one without it, as the demo's policy has them. */
export const GRANTING_ROLE = 'staff';
export const LACKING_ROLE = 'viewer';

/** What the service must answer. */
export const answerOf = (banned: boolean, role: string | null): Answer => {
  if (banned) return { allowed: false, reason: 'USER_BANNED', roles: role ?? '' };
  if (role === null) return { allowed: false, reason: 'NOT_A_MEMBER', roles: '' };
  const allowed = !role.split(',').includes(LACKING_ROLE);
  return { allowed, reason: allowed ? 'ROLE_GRANTS' : 'ROLE_LACKS_PERMISSION', roles: role };
};

/** Fills the migrated tables. */
export const populate = async (ownerUrl: string): Promise<readonly Person[]> => {
  await generate(ownerUrl, POPULATION);
  return Array.from({ length: POPULATION.users }, (_, user) => ({
    userId: userId(user),
    banned: false,
    busy: false,
    memberships: Array.from({ length: POPULATION.membershipsPerUser }, (_, index) => {
      const role = membershipRole(user, index);
      return {
        userId: userId(user),
        organizationId: organizationId(membershipOrganization(POPULATION, user, index)),
        role,
        states: [{ answer: answerOf(false, role), change: null }],
        allowedFromCacheAt: Number.NEGATIVE_INFINITY,
      };
    }),
  }));
};
