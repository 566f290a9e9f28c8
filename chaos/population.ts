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

export interface Organization {
  readonly organizationId: string;
  /** Present and former members. */
  readonly memberships: Membership[];
  /** Whether a dynamic role of this organization gives {@link LACKING_ROLE} the permission. */
  grants: boolean;
}

/** A member of an organization, as the database has it. */
export interface Membership extends Pair {
  readonly person: Person;
  readonly organization: Organization;
  /** Null when not a member. */
  role: string | null;
}

export interface Person {
  readonly userId: string;
  readonly memberships: Membership[];
  banned: boolean;
  /** A change of this user is being committed or published. */
  busy: boolean;
}

/** The role with the permission, and one without it, as the demo's policy has them. */
export const GRANTING_ROLE = 'staff';
export const LACKING_ROLE = 'viewer';

/** What the service must answer; `granting` is the organization's {@link Organization.grants}. */
export const answerOf = (banned: boolean, role: string | null, granting: boolean): Answer => {
  if (banned) return { allowed: false, reason: 'USER_BANNED', roles: role ?? '' };
  if (role === null) return { allowed: false, reason: 'NOT_A_MEMBER', roles: '' };
  const allowed = granting || !role.split(',').includes(LACKING_ROLE);
  return { allowed, reason: allowed ? 'ROLE_GRANTS' : 'ROLE_LACKS_PERMISSION', roles: role };
};

/** What the service must answer once it has read this. */
export const answerNow = ({ person, role, organization }: Membership): Answer =>
  answerOf(person.banned, role, organization.grants);

/** Fills the migrated tables. */
export const populate = async (
  ownerUrl: string,
): Promise<{ readonly people: readonly Person[]; readonly organizations: readonly Organization[] }> => {
  await generate(ownerUrl, POPULATION);
  const organizations = Array.from({ length: POPULATION.organizations }, (_, index): Organization => {
    return { organizationId: organizationId(index), memberships: [], grants: false };
  });
  const people = Array.from({ length: POPULATION.users }, (_, user): Person => {
    const person: Person = { userId: userId(user), banned: false, busy: false, memberships: [] };
    for (let index = 0; index < POPULATION.membershipsPerUser; index += 1) {
      const organization = organizations[membershipOrganization(POPULATION, user, index)];
      if (organization === undefined) throw new Error('no such organization');
      const role = membershipRole(user, index);
      const membership: Membership = {
        ...{ userId: person.userId, organizationId: organization.organizationId, person, organization, role },
        states: [{ answer: answerOf(false, role, false), change: null }],
        allowedFromCacheAt: Number.NEGATIVE_INFINITY,
      };
      person.memberships.push(membership);
      organization.memberships.push(membership);
    }
    return person;
  });
  return { people, organizations };
};
