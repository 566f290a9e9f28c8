/** The changes that the plugin publishes (docs/operate/events.md), as names and ids. Pure. */
import type { EventName } from '@assent/event-contract';

/** A change that makes cached facts stale; the name is the subject without its prefix. */
export type Change =
  | { readonly name: NameOf<'member'>; readonly userId: string; readonly organizationId: string }
  | { readonly name: NameOf<'user'>; readonly userId: string }
  | { readonly name: NameOf<'organization' | 'organization_role'>; readonly organizationId: string }
  | { readonly name: 'resync' };

type NameOf<Subject extends string> = Extract<EventName, `${Subject}.${string}`>;

/** Everything may have changed: for a write whose rows are not known. */
export const RESYNC: Change = { name: 'resync' };

/**
 * The changes of one transaction without a change that another one covers: deleting an organization deletes its members
 * first, and that is one change. The rest keep their order.
 */
export function combine(changes: readonly Change[]): readonly Change[] {
  return changes.filter(
    (change, index) =>
      !changes.some((other, at) => at !== index && covers(other, change) && (at > index || !covers(change, other))),
  );
}

/** Whether `broad` makes stale everything that `narrow` makes stale. */
function covers(broad: Change, narrow: Change): boolean {
  if (broad.name === 'resync') return true;
  const one = idsOf(broad);
  const other = idsOf(narrow);
  if (broad.name === narrow.name) return one.userId === other.userId && one.organizationId === other.organizationId;
  if (broad.name === 'organization.deleted') return one.organizationId === other.organizationId;
  return broad.name === 'user.deleted' && one.userId === other.userId;
}

function idsOf(change: Change): { readonly userId: string | null; readonly organizationId: string | null } {
  return {
    userId: 'userId' in change ? change.userId : null,
    organizationId: 'organizationId' in change ? change.organizationId : null,
  };
}
