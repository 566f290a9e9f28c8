/** The contract's events: pure, from a subject and a payload to what they make stale. */
import { z } from 'zod';
import type { FactsChange } from '../permission/facts.ts';

/** What a message means. */
export type ParsedEvent =
  | { readonly kind: 'change'; readonly change: FactsChange }
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

// Serial ids are numbers in JSON; the facts know every id as text.
const id = z.union([z.string().min(1).max(MAX_ID_LENGTH), z.number().int().transform(String)]);
const payloadSchema = z
  .object({ userId: id, user_id: id, organizationId: id, organization_id: id })
  .partial()
  .transform((payload) => ({
    userId: payload.userId ?? payload.user_id,
    organizationId: payload.organizationId ?? payload.organization_id,
  }));

const parsePayload = (payload: Uint8Array): z.infer<typeof payloadSchema> | string => {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
  } catch {
    return 'the payload is not JSON';
  }
  const parsed = payloadSchema.safeParse(value);
  return parsed.success ? parsed.data : 'the payload is not an object with ids';
};

/** @param prefix What the subjects are under, for example `betterauth`. */
export const parseEvent = (prefix: string, subject: string, payload: Uint8Array): ParsedEvent => {
  const scope = subject.startsWith(`${prefix}.`) ? SCOPES.get(subject.slice(prefix.length + 1)) : undefined;
  if (scope === undefined) return { kind: 'unknown' };
  if (scope === 'everything') return { kind: 'change', change: { kind: 'everything' } };
  const ids = parsePayload(payload);
  if (typeof ids === 'string') return { kind: 'malformed', problem: ids };
  const { userId, organizationId } = ids;
  if (scope !== 'organization' && userId === undefined) return { kind: 'malformed', problem: 'userId is missing' };
  if (scope !== 'user' && organizationId === undefined) {
    return { kind: 'malformed', problem: 'organizationId is missing' };
  }
  if (scope === 'pair')
    return { kind: 'change', change: { kind: scope, userId: userId ?? '', organizationId: organizationId ?? '' } };
  if (scope === 'user') return { kind: 'change', change: { kind: scope, userId: userId ?? '' } };
  return { kind: 'change', change: { kind: scope, organizationId: organizationId ?? '' } };
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
