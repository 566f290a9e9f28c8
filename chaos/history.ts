/** What was true when: every state that a (user, organization) pair has had, and the change that made it. */
import type { Mark } from './streams.ts';

/** A change in the database and its event. Times are of one monotonic clock, in milliseconds. */
export interface Change {
  readonly name: string;
  /** When its SQL was sent: from then on an answer may show it. */
  readonly startedAt: number;
  /** When JetStream's acknowledgement of its event came, and where the event stands; null as long as it has not. */
  acknowledged: { readonly at: number; readonly mark: Mark } | null;
  /** Whether it took a permission away. */
  readonly revokes: boolean;
  /** The pair that is checked on every replica before and after; a ban changes others too. */
  readonly watched: Pair;
  /** Whether it took away what had been answered as allowed from memory or Redis within the second before. */
  readonly revokesCached: boolean;
  /** One bit for each replica that answered about the watched pair after it had to know. */
  askedOn: number;
}

/** The correct answer to the check of a pair. */
export interface Answer {
  readonly allowed: boolean;
  /** The name of the API's reason. */
  readonly reason: string;
  /** The member's roles joined by commas: they name the change that wrote them, so that an answer shows its age. */
  readonly roles: string;
}

export interface State {
  readonly answer: Answer;
  /** Null for the state that the run began with. */
  readonly change: Change | null;
}

/** A user in an organization. */
export interface Pair {
  readonly userId: string;
  readonly organizationId: string;
  /** In order; the last is in force. Only the last change can lack its acknowledgement. */
  readonly states: State[];
  /** When it was last answered as allowed from memory or Redis. */
  allowedFromCacheAt: number;
}

export const sameAnswer = (left: Answer, right: Answer): boolean =>
  left.allowed === right.allowed && left.reason === right.reason && left.roles === right.roles;

export const latest = ({ states }: Pair): State => {
  const state = states.at(-1);
  if (state === undefined) throw new Error('a pair without a state');
  return state;
};
