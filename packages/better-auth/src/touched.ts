/** From a write to the changes that it makes: pure. */
import { type Change, RESYNC } from './change.ts';
import type { Model, Models } from './models.ts';

export type Row = Readonly<Record<string, unknown>>;
export type Kind = 'create' | 'update' | 'delete';

/** A condition as Better Auth's adapters take it. */
export interface Condition {
  readonly field: string;
  readonly value: unknown;
  readonly operator?: string | undefined;
  readonly connector?: 'AND' | 'OR' | undefined;
  readonly mode?: string | undefined;
}

/** Fields that a decision depends on; the e-mail address is what other listeners know a user by. */
const RELEVANT: Readonly<Record<Model, readonly string[]>> = {
  user: ['id', 'role', 'banned', 'banExpires', 'email'],
  member: ['id', 'userId', 'organizationId', 'role'],
  // Any change of an organization is one: the contract has an event for it, and they are rare.
  organization: [],
  organizationRole: ['id', 'organizationId', 'role', 'permission'],
};

/** Fields that say whom a row is about. */
const SUBJECT: Readonly<Record<Model, readonly string[]>> = {
  user: ['id'],
  member: ['userId', 'organizationId'],
  organization: ['id'],
  organizationRole: ['organizationId'],
};

/** Whether updating these fields changes a fact. */
export const isRelevant = (models: Models, model: Model, fields: readonly string[]): boolean =>
  RELEVANT[model].length === 0 || fields.some((field) => RELEVANT[model].includes(models.field(model, field)));

/** Whether updating these fields makes a row be about somebody else, who then is to be told of as well. */
export const movesRow = (models: Models, model: Model, fields: readonly string[]): boolean =>
  fields.some((field) => SUBJECT[model].includes(models.field(model, field)));

/** Assent takes no longer id for one. And with one longer than NATS takes, no event would get through, nor any after it. */
const MAX_ID_LENGTH = 512;

// Serial ids are numbers in some places of Better Auth and text in others.
const idOf = (value: unknown): string | null =>
  (typeof value === 'string' && value !== '' && value.length <= MAX_ID_LENGTH) ||
  typeof value === 'number' ||
  typeof value === 'bigint'
    ? String(value)
    : null;

/** What a write of a row with these fields changes, or null when they do not say it. */
export const changeOf = (model: Model, kind: Kind, row: Row): Change | null => {
  const id = idOf(row['id']);
  const userId = idOf(row['userId']);
  const organizationId = idOf(row['organizationId']);
  if (model === 'member') {
    if (userId === null || organizationId === null) return null;
    const name = kind === 'create' ? 'member.added' : kind === 'delete' ? 'member.removed' : 'member.role_changed';
    return { name, userId, organizationId };
  }
  if (model === 'organizationRole') {
    return organizationId === null ? null : { name: 'organization_role.changed', organizationId };
  }
  if (id === null) return null;
  // A new row is an update of nothing: somebody may have asked about the id before, and been told that there is none.
  if (model === 'user') return { name: kind === 'delete' ? 'user.deleted' : 'user.updated', userId: id };
  return { name: kind === 'delete' ? 'organization.deleted' : 'organization.updated', organizationId: id };
};

/** The fields that every row has which these conditions find. */
export const pinnedBy = (models: Models, model: Model, where: readonly Condition[]): Row => {
  if (where.some(({ connector }) => connector === 'OR')) return {};
  return Object.fromEntries(
    where
      .filter(({ operator, mode }) => (operator ?? 'eq') === 'eq' && mode !== 'insensitive')
      .map(({ field, value }) => [models.field(model, field), value]),
  );
};

/** A change that covers whatever a write did to the rows that have these fields. */
export const wideChange = (model: Model, pinned: Row): Change => {
  const userId = idOf(pinned['userId']);
  const organizationId = idOf(pinned['organizationId']);
  if (model === 'member' && organizationId !== null) return { name: 'organization.updated', organizationId };
  if (model === 'member' && userId !== null) return { name: 'user.updated', userId };
  return RESYNC;
};
