/** The events of Assent's contract (docs/operate/events.md): what changed, as names and ids. Pure. */

/** A change that makes cached facts stale; the name is the subject without its prefix. */
export type Change =
  | {
      readonly name: 'member.added' | 'member.removed' | 'member.role_changed';
      readonly userId: string;
      readonly organizationId: string;
    }
  | { readonly name: 'user.updated' | 'user.deleted'; readonly userId: string }
  | {
      readonly name: 'organization.updated' | 'organization.deleted' | 'organization_role.changed';
      readonly organizationId: string;
    }
  | { readonly name: 'resync' };

/** Everything may have changed: for when nobody can say what did. */
export const RESYNC: Change = { name: 'resync' };

const idsOf = (change: Change): { readonly userId: string | null; readonly organizationId: string | null } => ({
  userId: 'userId' in change ? change.userId : null,
  organizationId: 'organizationId' in change ? change.organizationId : null,
});

/** Whether `wide` says all that `narrow` says, so that nobody needs to hear both. */
const covers = (wide: Change, narrow: Change): boolean => {
  if (wide.name === 'resync') return true;
  const one = idsOf(wide);
  const other = idsOf(narrow);
  if (wide.name === narrow.name) return one.userId === other.userId && one.organizationId === other.organizationId;
  if (wide.name === 'organization.deleted') return one.organizationId === other.organizationId;
  return wide.name === 'user.deleted' && one.userId === other.userId;
};

/**
 * The changes of one transaction without those that another of them covers: deleting an organization deletes its members
 * first, and that is one change. The order of the rest is kept.
 */
export const combine = (changes: readonly Change[]): readonly Change[] =>
  changes.filter(
    (change, index) =>
      !changes.some((other, at) => at !== index && covers(other, change) && (at > index || !covers(change, other))),
  );
