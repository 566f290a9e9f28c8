/** From a message to the facts that it makes stale. Pure. */
import { idForms, isUsableId } from './ids.ts';
import { EVENTS } from './subjects.ts';

/** Facts that a change of the database makes stale. */
export type Invalidation =
  | { readonly kind: 'pair'; readonly userId: string; readonly organizationId: string }
  | { readonly kind: 'user'; readonly userId: string }
  | { readonly kind: 'organization'; readonly organizationId: string }
  | { readonly kind: 'everything' };

/** The meaning of a message. */
export type ParsedEvent =
  /** One change, once for each form in which its ids may be written. */
  | { readonly kind: 'change'; readonly changes: readonly Invalidation[] }
  /** A known subject without the ids that it needs. The facts that it made stale are not known, so everything is stale. */
  | { readonly kind: 'malformed'; readonly problem: string }
  /** Not a subject of the contract. It makes nothing stale. */
  | { readonly kind: 'unknown' };

const SCOPES: ReadonlyMap<string, Invalidation['kind']> = new Map(Object.entries(EVENTS));

/** @param prefix The prefix of the subjects, for example `betterauth`. */
export function parseEvent(prefix: string, subject: string, payload: Uint8Array): ParsedEvent {
  const scope = subject.startsWith(`${prefix}.`) ? SCOPES.get(subject.slice(prefix.length + 1)) : undefined;
  if (scope === undefined) return { kind: 'unknown' };
  if (scope === 'everything') return { kind: 'change', changes: [{ kind: 'everything' }] };
  const fields = parsePayload(payload);
  if (typeof fields === 'string') return { kind: 'malformed', problem: fields };
  // An id that the subject does not need is not checked: publishers in typed languages send null or an empty text for it.
  const users = formsOf(fields['userId'] ?? fields['user_id']);
  const organizations = formsOf(fields['organizationId'] ?? fields['organization_id']);
  if (scope !== 'organization' && users.length === 0) return { kind: 'malformed', problem: 'userId is missing' };
  if (scope !== 'user' && organizations.length === 0)
    return { kind: 'malformed', problem: 'organizationId is missing' };
  if (scope === 'user') return { kind: 'change', changes: users.map((userId) => ({ kind: scope, userId })) };
  if (scope === 'organization') {
    return { kind: 'change', changes: organizations.map((organizationId) => ({ kind: scope, organizationId })) };
  }
  const changes = users.flatMap((userId) =>
    organizations.map((organizationId) => ({ kind: scope, userId, organizationId })),
  );
  return { kind: 'change', changes };
}

/** The fields of a payload, or the problem with it. */
function parsePayload(payload: Uint8Array): Readonly<Record<string, unknown>> | string {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
  } catch {
    return 'the payload is not JSON';
  }
  return isObject(value) ? value : 'the payload is not an object';
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The forms of an id; none when the value is not an id. Serial ids are numbers in JSON, and facts have every id as text. A
 * number beyond the safe integers is no longer the number that was sent.
 */
function formsOf(value: unknown): readonly string[] {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return idForms(String(value));
  return typeof value === 'string' && isUsableId(value) ? idForms(value) : [];
}
