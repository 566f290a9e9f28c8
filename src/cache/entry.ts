/** Facts as they are cached, and their form in Redis. Pure. */
import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { Facts } from '../permission/facts.ts';
import type { Stamp } from './positions.ts';

/** Facts that were read from the database once, with what is needed to judge them later. */
export interface CachedFacts {
  readonly facts: Facts;
  /** Where the stream of events was when the read began. */
  readonly stamp: Stamp;
  /** When the read began, in milliseconds since the epoch. */
  readonly readAt: number;
}

/** What other services read from the same key: a contract, and never read back. */
export interface SharedView {
  /** The member's roles joined by commas. */
  readonly role: string;
  /** The member's permissions as `resource:action`. */
  readonly permissions: readonly string[];
}

/** Raised whenever the form below changes: an entry of another version is a miss. */
const VERSION = 2;

const entrySchema = z.object({
  assent: z.object({
    v: z.literal(VERSION),
    epoch: z.string().min(1),
    seq: z.number().int().nonnegative(),
    readAt: z.number(),
    facts: z.object({
      user: z
        .object({ roles: z.array(z.string()), ban: z.object({ until: z.number().nullable() }).nullable() })
        .nullable(),
      organization: z
        .object({
          status: z.enum(['present', 'absent', 'disabled']),
          memberRoles: z.array(z.string()).nullable(),
          dynamicRoles: z.array(z.object({ role: z.string(), grants: z.array(z.tuple([z.string(), z.string()])) })),
        })
        .nullable(),
    }),
    mac: z.string(),
  }),
});

/** A code over what an entry says and the key that it stands under: whoever lacks the secret can write none. */
export type EntrySeal = (text: string) => string;

/** @param secret The same in all replicas that share a Redis; entries are sealed with a key derived from it. */
export const createEntrySeal = (secret: string): EntrySeal => {
  const macKey = Buffer.from(hkdfSync('sha256', secret, '', 'assent cache entry v1', 32));
  return (text) => createHmac('sha256', macKey).update(text).digest('base64url');
};

/** All that an entry says and the key that it stands under, in one form whatever the order of an object's fields is. */
const sealedText = (name: string, { facts: { user, organization }, stamp, readAt }: CachedFacts): string =>
  JSON.stringify([
    name,
    VERSION,
    stamp.epoch,
    stamp.seq,
    readAt,
    user && [user.roles, user.ban && [user.ban.until]],
    organization && [
      organization.status,
      organization.memberRoles,
      organization.dynamicRoles.map(({ role, grants }) => [role, grants]),
    ],
  ]);

/** The value of the Redis entry `name`: `{"role", "permissions", "assent": {…}}`. */
export const encodeEntry = (seal: EntrySeal, name: string, entry: CachedFacts, view: SharedView): string => {
  const { facts, stamp, readAt } = entry;
  const mac = seal(sealedText(name, entry));
  return JSON.stringify({
    role: view.role,
    permissions: view.permissions,
    assent: { v: VERSION, epoch: stamp.epoch, seq: stamp.seq, readAt, facts, mac },
  });
};

/** Reads a value back; null for anything that this version of Assent did not write under this name. */
export const decodeEntry = (seal: EntrySeal, name: string, text: string): CachedFacts | null => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const parsed = entrySchema.safeParse(value);
  if (!parsed.success) return null;
  const { epoch, seq, readAt, facts, mac } = parsed.data.assent;
  const entry: CachedFacts = { facts, stamp: { epoch, seq }, readAt };
  const expected = Buffer.from(seal(sealedText(name, entry)));
  const found = Buffer.from(mac);
  return found.length === expected.length && timingSafeEqual(found, expected) ? entry : null;
};

/**
 * How long facts may still answer, in milliseconds from `now`: the TTL from the moment of the read, and never past the
 * end of a ban, since the shared view says "no permissions" until then. Not positive when they may not.
 */
export const remainingLife = ({ facts, readAt }: CachedFacts, ttlMs: number, now: number): number => {
  // An entry from the future, by more than clocks differ, has an age that cannot be known.
  if (readAt > now + MAX_CLOCK_SKEW_MS) return 0;
  const byAge = Math.min(ttlMs, readAt + ttlMs - now);
  const until = facts.user?.ban?.until ?? null;
  // A ban that had ended when the facts were read is history; any other ends them.
  return until === null || until <= readAt ? byAge : Math.min(byAge, until - now);
};

const MAX_CLOCK_SKEW_MS = 5_000;
