/** Facts as they are cached, and their form in Redis. Pure. */
import { createMac, type Mac } from '../mac.ts';
import type { Facts } from '../policy/facts.ts';
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
const VERSION = 4;

/** What every entry begins with; the code follows, then all that it covers. */
const HEAD = `{"assent":{"v":${VERSION},"mac":"`;
/** Between the code and what the entry says. */
const SAYS = '","says":';
/** Ends what the entry says. JSON escapes line ends within strings, so there is no other one before it. */
const END = '},\n';

/** What an entry says, as JSON. */
interface Said {
  readonly epoch: string;
  readonly seq: number;
  readonly readAt: number;
  readonly facts: Facts;
}

/** @param keys The same in all processes that share entries, newest first. The version is part of each derived key. */
export const createEntryMac = (keys: readonly string[]): Mac => createMac(keys, `assent cache entry v${VERSION}`);

/** What the code of an entry covers. The name as JSON, which shows where it ends and tells strings apart that have no UTF-8. */
const signed = (name: string, covered: string): string => JSON.stringify(name) + covered;

/** The value of the Redis entry `name`, JSON on two lines: `{"assent":{…},` and `"role":…,"permissions":…}`. */
export const encodeEntry = (mac: Mac, name: string, entry: CachedFacts, view: SharedView): string => {
  const { stamp, readAt, facts } = entry;
  const said: Said = { epoch: stamp.epoch, seq: stamp.seq, readAt, facts };
  const { role, permissions } = view;
  const covered = `${SAYS}${JSON.stringify(said)}${END}${JSON.stringify({ role, permissions }).slice(1)}`;
  return HEAD + mac.sign(signed(name, covered)) + covered;
};

/**
 * Reads a value back; null for anything that this version of Assent did not write under this name. The code covers every
 * character after it as it stands, so that what passes was written by {@link encodeEntry} and needs no other check.
 */
export const decodeEntry = (mac: Mac, name: string, text: string): CachedFacts | null => {
  if (!text.startsWith(HEAD)) return null;
  const coveredAt = text.indexOf('"', HEAD.length);
  // guard: mac-over-the-name-of-a-redis-entry
  if (!mac.verify(signed(name, text.slice(coveredAt)), text.slice(HEAD.length, coveredAt))) return null;
  const saysAt = coveredAt + SAYS.length;
  const { epoch, seq, readAt, facts }: Said = JSON.parse(text.slice(saysAt, text.indexOf(END, saysAt)));
  return { facts, stamp: { epoch, seq }, readAt };
};

/**
 * How long facts may still answer, in milliseconds from `now`: the TTL from the moment of the read, and never past the
 * end of a ban, since the shared view says "no permissions" until then. Not positive when they may not.
 */
export const remainingLife = ({ facts, readAt }: CachedFacts, ttlMs: number, now: number): number => {
  // An entry from the future, by more than clocks differ, has an age that cannot be known.
  // guard: entry-from-the-future
  if (readAt > now + MAX_CLOCK_SKEW_MS) return 0;
  const byAge = Math.min(ttlMs, readAt + ttlMs - now);
  const until = facts.user?.ban?.until ?? null;
  // A ban that had ended when the facts were read is history; any other ends them.
  return until === null || until <= readAt ? byAge : Math.min(byAge, until - now);
};

const MAX_CLOCK_SKEW_MS = 5_000;
