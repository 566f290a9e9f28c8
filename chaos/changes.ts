/** The changes that writers make: the rows, the answers that change with them, and the event that is published. */
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { PERMISSION } from './client.ts';
import {
  answerNow,
  GRANTING_ROLE,
  LACKING_ROLE,
  type Membership,
  type Organization,
  type Person,
} from './population.ts';
import type { PublishedEvent } from './publisher.ts';
import type { Random } from './random.ts';

export interface PlannedChange {
  readonly event: PublishedEvent;
  /** The memberships whose answers change, and the one that is awaited on every replica. */
  readonly affected: readonly Membership[];
  readonly watched: Membership;
  /** Makes it true of the people and organizations here. */
  apply(): void;
  /** Does it in the database. May be done again when its outcome is not known. */
  commit(pool: pg.Pool): Promise<unknown>;
}

const WHERE_MEMBER = '"userId" = $1 AND "organizationId" = $2';

const ban = (person: Person, watched: Membership, banned: boolean): PlannedChange => ({
  event: { name: 'user.updated', userId: person.userId },
  affected: person.memberships,
  watched,
  apply: () => {
    person.banned = banned;
  },
  commit: (pool) => pool.query('UPDATE users SET banned = $2 WHERE id = $1', [person.userId, banned]),
});

const setRole = (membership: Membership, role: string | null): PlannedChange => {
  const { userId, organizationId, role: before } = membership;
  const ids = [userId, organizationId];
  const commitOf = (pool: pg.Pool): Promise<unknown> => {
    if (role === null) return pool.query(`DELETE FROM members WHERE ${WHERE_MEMBER}`, ids);
    if (before !== null) return pool.query(`UPDATE members SET role = $3 WHERE ${WHERE_MEMBER}`, [...ids, role]);
    return pool.query(
      `INSERT INTO members (id, "userId", "organizationId", role, "createdAt") SELECT $3, $1, $2, $4, now()
       WHERE NOT EXISTS (SELECT FROM members WHERE ${WHERE_MEMBER})`,
      [...ids, randomUUID(), role],
    );
  };
  const verb = role === null ? 'removed' : before === null ? 'added' : 'role_changed';
  return {
    event: { name: `member.${verb}`, userId, organizationId },
    affected: [membership],
    watched: membership,
    apply: () => {
      membership.role = role;
    },
    commit: commitOf,
  };
};

/** Takes the permission from a person who has it, or gives it to a person who lacks it. `serial` distinguishes changes. */
export const planChange = (person: Person, random: Random, serial: number): PlannedChange => {
  const membership = random.pick(person.memberships);
  // Roles without a definition grant nothing, and come back with the answer.
  const named = (role: string): string => `${role},change-${serial}`;
  if (person.banned) return ban(person, membership, false);
  if (!answerNow(membership).allowed) return setRole(membership, named(GRANTING_ROLE));
  const way = random.next();
  if (way < 0.35) return ban(person, membership, true);
  return setRole(membership, way < 0.6 ? null : named(LACKING_ROLE));
};

const [RESOURCE, ACTION] = PERMISSION.split(':') as [string, string];
const ROLE_PERMISSION = JSON.stringify({ [RESOURCE]: [ACTION] });

/** The event by which a change of an organization's dynamic roles is published. */
export type OrganizationEvent = 'organization_role.changed' | 'organization.updated' | 'resync';

const setGrants = (organization: Organization, watched: Membership, name: OrganizationEvent): PlannedChange => {
  const { organizationId } = organization;
  const grants = !organization.grants;
  const of = [organizationId, LACKING_ROLE];
  return {
    event: name === 'resync' ? { name } : { name, organizationId },
    affected: organization.memberships,
    watched,
    apply: () => {
      organization.grants = grants;
    },
    commit: (pool) =>
      grants
        ? pool.query(
            `INSERT INTO "organizationRole" (id, "organizationId", role, permission, "createdAt") SELECT $3, $1, $2, $4, now()
             WHERE NOT EXISTS (SELECT FROM "organizationRole" WHERE "organizationId" = $1 AND role = $2)`,
            [...of, randomUUID(), ROLE_PERMISSION],
          )
        : pool.query('DELETE FROM "organizationRole" WHERE "organizationId" = $1 AND role = $2', of),
  };
};

/**
 * Takes a dynamic role's grant from an organization that has it, else gives one to another: an organization whose members are all
 * at rest, with a member for whom the grant makes a difference; null when there is none.
 */
export const planOrganizationChange = (
  organizations: readonly Organization[],
  random: Random,
  name: OrganizationEvent,
): PlannedChange | null => {
  const free = random
    .shuffled(organizations)
    .filter(({ memberships }) => memberships.every(({ person }) => !person.busy));
  for (const organization of [...free.filter(({ grants }) => grants), ...free.filter(({ grants }) => !grants)]) {
    const watched = organization.memberships.find(
      ({ person, role }) => !person.banned && role?.split(',').includes(LACKING_ROLE) === true,
    );
    if (watched !== undefined) return setGrants(organization, watched, name);
  }
  return null;
};
