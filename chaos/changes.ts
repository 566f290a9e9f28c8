/** What writers do: the change of rows, what it makes true, and the event that tells of it. */
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { answerOf, GRANTING_ROLE, LACKING_ROLE, type Membership, type Person } from './population.ts';
import type { PublishedEvent } from './publisher.ts';
import type { Random } from './random.ts';

export interface PlannedChange {
  readonly event: PublishedEvent;
  readonly person: Person;
  readonly membership: Membership;
  /** After the change. */
  readonly banned: boolean;
  readonly role: string | null;
  commit(pool: pg.Pool): Promise<unknown>;
}

const WHERE_MEMBER = '"userId" = $1 AND "organizationId" = $2';

const ban = (person: Person, membership: Membership, banned: boolean): PlannedChange => ({
  event: { name: 'user.updated', userId: person.userId },
  person,
  membership,
  banned,
  role: membership.role,
  commit: (pool) => pool.query('UPDATE users SET banned = $2 WHERE id = $1', [person.userId, banned]),
});

const setRole = (person: Person, membership: Membership, role: string | null): PlannedChange => {
  const { userId, organizationId } = membership;
  const ids = [userId, organizationId];
  const commitOf = (pool: pg.Pool): Promise<unknown> => {
    if (role === null) return pool.query(`DELETE FROM members WHERE ${WHERE_MEMBER}`, ids);
    if (membership.role !== null) {
      return pool.query(`UPDATE members SET role = $3 WHERE ${WHERE_MEMBER}`, [...ids, role]);
    }
    return pool.query(
      'INSERT INTO members (id, "userId", "organizationId", role, "createdAt") VALUES ($3, $1, $2, $4, now())',
      [...ids, randomUUID(), role],
    );
  };
  const verb = role === null ? 'removed' : membership.role === null ? 'added' : 'role_changed';
  return {
    event: { name: `member.${verb}`, userId, organizationId },
    person,
    membership,
    banned: person.banned,
    role,
    commit: commitOf,
  };
};

/** Takes the permission away from who has it, and gives it back to who has not. `serial` tells changes apart. */
export const planChange = (person: Person, random: Random, serial: number): PlannedChange => {
  const membership = random.pick(person.memberships);
  // Roles that nobody defined grant nothing, and come back with the answer.
  const named = (role: string): string => `${role},change-${serial}`;
  if (person.banned) return ban(person, membership, false);
  if (membership.role === null || !answerOf(false, membership.role).allowed) {
    return setRole(person, membership, named(GRANTING_ROLE));
  }
  const way = random.next();
  if (way < 0.35) return ban(person, membership, true);
  return setRole(person, membership, way < 0.6 ? null : named(LACKING_ROLE));
};
