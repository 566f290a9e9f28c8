/** The contract's events: pure, from a subject and a payload to what they make stale. */
import { z } from 'zod';
import type { FactsChange } from '../permission/facts.ts';
import { spellingsOf } from './spellings.ts';

/** What a message means. */
export type ParsedEvent =
  /** One change, for each way in which its ids may be written. */
  | { readonly kind: 'change'; readonly changes: readonly FactsChange[] }
  /** A known subject without the ids that it needs: nobody can say what it made stale, so everything is. */
  | { readonly kind: 'malformed'; readonly problem: string }
  /** Not a subject of the contract: says nothing about facts. */
  | { readonly kind: 'unknown' };

type Scope = FactsChange['kind'];

const SCOPES: ReadonlyMap<string, Scope> = new Map([
  ['member.added', 'pair'],
  ['member.removed', 'pair'],
  ['member.role_changed', 'pair'],
  ['user.updated', 'user'],
  ['user.deleted', 'user'],
  ['organization.updated', 'organization'],
  ['organization.deleted', 'organization'],
  ['organization_role.changed', 'organization'],
  ['resync', 'everything'],
]);

/** The subjects of the contract, without the prefix. */
export const eventNames: readonly string[] = [...SCOPES.keys()];

/** No call can ask about a longer id; remembering what a longer one made stale would only take memory. */
const MAX_ID_LENGTH = 512;

/** Whether PostgreSQL could have a row of it. */
const canBeAnId = (text: string): boolean => text.trim() !== '' && !text.includes('\0');

// Serial ids are numbers in JSON; the facts know every id as text. Beyond the safe integers a number is not the one sent.
const id = z.union([z.string().max(MAX_ID_LENGTH).refine(canBeAnId), z.int().transform(String)]);

const object = z.record(z.string(), z.unknown());

const parsePayload = (payload: Uint8Array): z.infer<typeof object> | string => {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
  } catch {
    return 'the payload is not JSON';
  }
  const parsed = object.safeParse(value);
  return parsed.success ? parsed.data : 'the payload is not an object';
};

/** How the id under one of two names may be written; not at all where none is there. */
const spellingsAt = (camelCase: unknown, snakeCase: unknown): readonly string[] => {
  const parsed = id.safeParse(camelCase ?? snakeCase);
  return parsed.success ? spellingsOf(parsed.data) : [];
};

/** @param prefix What the subjects are under, for example `betterauth`. */
export const parseEvent = (prefix: string, subject: string, payload: Uint8Array): ParsedEvent => {
  const scope = subject.startsWith(`${prefix}.`) ? SCOPES.get(subject.slice(prefix.length + 1)) : undefined;
  if (scope === undefined) return { kind: 'unknown' };
  if (scope === 'everything') return { kind: 'change', changes: [{ kind: 'everything' }] };
  const fields = parsePayload(payload);
  if (typeof fields === 'string') return { kind: 'malformed', problem: fields };
  // Of what the scope has no need for, nothing is asked: typed publishers send null or empty text for it.
  const users = spellingsAt(fields['userId'], fields['user_id']);
  const organizations = spellingsAt(fields['organizationId'], fields['organization_id']);
  if (scope !== 'organization' && users.length === 0) return { kind: 'malformed', problem: 'userId is missing' };
  if (scope !== 'user' && organizations.length === 0)
    return { kind: 'malformed', problem: 'organizationId is missing' };
  if (scope === 'user') return { kind: 'change', changes: users.map((userId) => ({ kind: scope, userId })) };
  if (scope === 'organization') {
    return { kind: 'change', changes: organizations.map((organizationId) => ({ kind: scope, organizationId })) };
  }
  return {
    kind: 'change',
    changes: users.flatMap((userId) =>
      organizations.map((organizationId) => ({ kind: scope, userId, organizationId })),
    ),
  };
};

/** Whether a NATS subject pattern (`*` one token, `>` the rest) covers a subject. */
export const covers = (pattern: string, subject: string): boolean => {
  const patternTokens = pattern.split('.');
  const tokens = subject.split('.');
  for (const [index, token] of patternTokens.entries()) {
    if (token === '>') return tokens.length > index;
    if (index >= tokens.length || (token !== '*' && token !== tokens[index])) return false;
  }
  return patternTokens.length === tokens.length;
};
