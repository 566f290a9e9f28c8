/**
 * The facts that a decision needs. Facts are cached, never decisions: each process decides with its own policy.
 */

/** A ban that is stored for a user; whether it holds now is computed when deciding. */
export interface Ban {
  /** When it ends, in milliseconds since the epoch; null when it has no end. */
  readonly until: number | null;
}

/** One row of Better Auth's `organizationRole`: a role that exists only in one organization. */
export interface DynamicRole {
  readonly role: string;
  /** `[resource, action]` pairs, exactly as the row has them; a `*` is an ordinary name here. */
  readonly grants: readonly (readonly [resource: string, action: string])[];
}

/** What the database says of a user. */
export interface UserFacts {
  /** Platform roles as stored; empty when the column is null, so that the policy's default applies. */
  readonly roles: readonly string[];
  readonly ban: Ban | null;
}

/** What the database says of an organization, seen from one user. */
export interface OrganizationFacts {
  /** `disabled`: the database has no organization tables. */
  readonly status: 'present' | 'absent' | 'disabled';
  /** The member's roles of all their rows, each once; null when the user is not a member. */
  readonly memberRoles: readonly string[] | null;
  /** The organization's dynamic roles that the member holds. */
  readonly dynamicRoles: readonly DynamicRole[];
}

/** The facts of one (user, organization) pair, or of a user on the whole platform. */
export interface Facts {
  /** Null when there is no such user. */
  readonly user: UserFacts | null;
  /** Null when the question is about the whole platform. */
  readonly organization: OrganizationFacts | null;
}

/** Names the facts of one user in one organization, or on the whole platform when `organizationId` is null. */
export interface FactsKey {
  readonly userId: string;
  readonly organizationId: string | null;
}
