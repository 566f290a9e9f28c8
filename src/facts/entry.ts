/** Facts as they are cached, and their form in Redis. Pure. */
import { createMac, type Mac } from '../mac.ts';
import type { Facts } from '../policy/facts.ts';
import type { Revision } from './freshness.ts';

/** Facts as they were read from the database once, with their revision and age. */
export interface CachedFacts {
  readonly facts: Facts;
  /** The revision that was taken before the read. */
  readonly revision: Revision;
  /** When the read began, in milliseconds since the epoch. */
  readonly readAt: number;
}

/** The part of an entry that other services read: a contract. Assent does not read it back. */
export interface SharedView {
  /** The member's roles joined by commas. */
  readonly role: string;
  /** The member's permissions as `resource:action`. */
  readonly permissions: readonly string[];
}

/** Raised with every change of the form below: an entry of another version is a miss. */
const VERSION = 4;

/** The beginning of every entry. The MAC follows, then the text that it covers. */
const HEAD = `{"assent":{"v":${VERSION},"mac":"`;
/** How far the clocks of two processes may differ, in milliseconds. */
const MAX_CLOCK_SKEW_MS = 5_000;
/** Between the MAC and the content. */
const CONTENT = '","says":';
/** The end of the content. JSON escapes line ends within strings, so there is no other one before it. */
const END = '},\n';

/** The content of an entry, as JSON. */
interface Content {
  readonly epoch: string;
  readonly seq: number;
  readonly readAt: number;
  readonly facts: Facts;
}

/** @param keys The same in all processes that share entries, newest first. Each derived key depends on the version. */
export function createEntryMac(keys: readonly string[]): Mac {
  return createMac(keys, `assent cache entry v${VERSION}`);
}

/** The value of the Redis entry `name`, JSON on two lines: `{"assent":{…},` and `"role":…,"permissions":…}`. */
export function encodeEntry(mac: Mac, name: string, entry: CachedFacts, view: SharedView): string {
  const { revision, readAt, facts } = entry;
  const content: Content = { epoch: revision.epoch, seq: revision.seq, readAt, facts };
  const { role, permissions } = view;
  const covered = `${CONTENT}${JSON.stringify(content)}${END}${JSON.stringify({ role, permissions }).slice(1)}`;
  return HEAD + mac.sign(signedText(name, covered)) + covered;
}

/**
 * Reads a value back; null for a value that this version of Assent did not write under this name. The MAC covers every
 * character after it, so a value that passes was written by {@link encodeEntry} and needs no other check.
 */
export function decodeEntry(mac: Mac, name: string, text: string): CachedFacts | null {
  if (!text.startsWith(HEAD)) return null;
  const coveredAt = text.indexOf('"', HEAD.length);
  // guard: mac-over-the-name-of-a-redis-entry
  if (!mac.verify(signedText(name, text.slice(coveredAt)), text.slice(HEAD.length, coveredAt))) return null;
  const contentAt = coveredAt + CONTENT.length;
  const { epoch, seq, readAt, facts }: Content = JSON.parse(text.slice(contentAt, text.indexOf(END, contentAt)));
  return { facts, revision: { epoch, seq }, readAt };
}

/**
 * How long facts may still answer, in milliseconds from `now`: the TTL from the moment of the read, and never past the end
 * of a ban, since the shared view has no permissions until then. Zero or negative when they may not answer.
 */
export function remainingLife({ facts, readAt }: CachedFacts, ttlMs: number, now: number): number {
  // The age of an entry from the future is not known, if it is further ahead than clocks differ.
  // guard: entry-from-the-future
  if (readAt > now + MAX_CLOCK_SKEW_MS) return 0;
  const byAge = Math.min(ttlMs, readAt + ttlMs - now);
  const until = facts.user?.ban?.until ?? null;
  // A ban that had ended before the read does not matter; any other one ends the facts with it.
  return until === null || until <= readAt ? byAge : Math.min(byAge, until - now);
}

/** The MAC covers the name as JSON, which marks its end and keeps apart names that differ only in invalid UTF-16. */
function signedText(name: string, covered: string): string {
  return JSON.stringify(name) + covered;
}
