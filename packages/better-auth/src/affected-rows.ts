/** From a write of Better Auth's adapter to the changes that it makes. Pure. */
import { MAX_ID_LENGTH } from '@assent/event-contract';
import { type Change, RESYNC } from './change.ts';
import type { Model, Models } from './models.ts';

/** A row, or a part of it, with Better Auth's own field names. */
export type Row = Readonly<Record<string, unknown>>;
export type Write = 'create' | 'update' | 'delete';

/** A condition as Better Auth's adapters take it. */
export interface Condition {
  readonly field: string;
  readonly value: unknown;
  readonly operator?: string | undefined;
  readonly connector?: 'AND' | 'OR' | undefined;
  readonly mode?: string | undefined;
}

/** Fields that a decision depends on; other listeners know a user by the e-mail address. */
const RELEVANT: Readonly<Record<Model, readonly string[]>> = {
  user: ['id', 'role', 'banned', 'banExpires', 'email'],
  member: ['id', 'userId', 'organizationId', 'role'],
  // Every field: the contract has an event for it, and such updates are rare.
  organization: [],
  organizationRole: ['id', 'organizationId', 'role', 'permission'],
};

/** Fields that name the user or the organization of a row. */
const SUBJECT: Readonly<Record<Model, readonly string[]>> = {
  user: ['id'],
  member: ['userId', 'organizationId'],
  organization: ['id'],
  organizationRole: ['organizationId'],
};

/** The change that a write makes to a row with these fields; null when they do not name its user or organization. */
export function changeOf(model: Model, write: Write, row: Row): Change | null {
  const id = idOf(row['id']);
  const userId = idOf(row['userId']);
  const organizationId = idOf(row['organizationId']);
  if (model === 'member') {
    if (userId === null || organizationId === null) return null;
    const name = write === 'create' ? 'member.added' : write === 'delete' ? 'member.removed' : 'member.role_changed';
    return { name, userId, organizationId };
  }
  if (model === 'organizationRole') {
    return organizationId === null ? null : { name: 'organization_role.changed', organizationId };
  }
  if (id === null) return null;
  // A new row is an update: Assent may have cached before that there is no row with this id.
  if (model === 'user') return { name: write === 'delete' ? 'user.deleted' : 'user.updated', userId: id };
  return { name: write === 'delete' ? 'organization.deleted' : 'organization.updated', organizationId: id };
}

/** A change that covers every row with these fields, whatever a write did to it. */
export function broadChange(model: Model, fields: Row): Change {
  const userId = idOf(fields['userId']);
  const organizationId = idOf(fields['organizationId']);
  if (model === 'member' && organizationId !== null) return { name: 'organization.updated', organizationId };
  if (model === 'member' && userId !== null) return { name: 'user.updated', userId };
  return RESYNC;
}

/** The equality conditions of a write, as fields: every row that it affects has them. */
export function equalityConditions(models: Models, model: Model, where: readonly Condition[]): Row {
  if (where.some(({ connector }) => connector === 'OR')) return {};
  return Object.fromEntries(
    where
      .filter(({ operator, mode }) => (operator ?? 'eq') === 'eq' && mode !== 'insensitive')
      .map(({ field, value }) => [models.field(model, field), value]),
  );
}

/** Whether updating these fields changes a fact. */
export function isRelevant(models: Models, model: Model, fields: readonly string[]): boolean {
  return RELEVANT[model].length === 0 || fields.some((field) => RELEVANT[model].includes(models.field(model, field)));
}

/** Whether updating these fields gives a row to another user or organization. The previous one is affected as well. */
export function movesRow(models: Models, model: Model, fields: readonly string[]): boolean {
  return fields.some((field) => SUBJECT[model].includes(models.field(model, field)));
}

/**
 * An id as text; null for anything else, and for one that is too long for an event. Better Auth has serial ids as numbers in
 * some places and as text in others.
 */
function idOf(value: unknown): string | null {
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  return typeof value === 'string' && value !== '' && value.length <= MAX_ID_LENGTH ? value : null;
}
