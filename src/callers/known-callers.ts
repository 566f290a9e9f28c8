/** The callers in force: found by the digest of a token, or by the names of a certificate. Pure. */
import type { CallerEntry } from './entry.ts';
import { CallerLimits, shareOf } from './limits.ts';

/** A caller that has authenticated, by one of its tokens or by a certificate. */
export interface KnownCaller {
  readonly name: string;
  /** The digest of its token; null for a certificate. */
  readonly digest: string | null;
  readonly limits: CallerLimits;
  /** @param path `/package.Service/Method`. */
  mayCall(path: string): boolean;
}

/** What a call shows of its caller: the digest of a token, or the names of a certificate. */
export type Evidence = { readonly digest: string } | { readonly names: readonly string[] };

/** A credential of a call: the caller that it stands for, and its end. */
export interface Credential {
  readonly caller: KnownCaller;
  /** Milliseconds since the epoch; null for a credential without an end. */
  readonly expiresAt: number | null;
}

export interface KnownCallers {
  /** @param digest As in the file: 64 hexadecimal digits in lower case. */
  byDigest(digest: string): Credential | null;
  /** @param names Subject alternative names as in the file. Null for names of no caller, and for those of several callers. */
  byCertificate(names: readonly string[]): KnownCaller | null;
  /**
   * The caller that authenticates by this.
   * @param now Milliseconds since the epoch.
   */
  byEvidence(evidence: Evidence, now: number): KnownCaller | null;
  /** Whether a caller of this name has a certificate, or a token that has not expired. */
  isKnown(name: string, now: number): boolean;
  /** The same callers as other entries describe them; a caller that stays keeps its calls under way and its bucket. */
  changed(entries: readonly CallerEntry[]): KnownCallers;
}

/**
 * Compiles the entries.
 * @param workers The number of processes that share the limits.
 */
export function createKnownCallers(
  entries: readonly CallerEntry[],
  workers: number,
  earlier: ReadonlyMap<string, CallerLimits> = new Map(),
): KnownCallers {
  const limits = new Map<string, CallerLimits>();
  const digests = new Map<string, Credential>();
  const certificates = new Map<string, KnownCaller>();
  const ends = new Map<string, readonly (number | null)[]>();
  for (const entry of entries) {
    const share = shareOf(entry, workers);
    const own = earlier.get(entry.name) ?? new CallerLimits(share);
    own.change(share);
    limits.set(entry.name, own);
    // A certificate has an end, too, which TLS looks at.
    ends.set(entry.name, [...entry.tokens.map(({ expiresAt }) => expiresAt), ...entry.certificates.map(() => null)]);
    for (const { digest, expiresAt } of entry.tokens) {
      digests.set(digest, { caller: new Known(entry, own, digest), expiresAt });
    }
    const byName = new Known(entry, own, null);
    for (const name of entry.certificates) certificates.set(name, byName);
  }
  const byDigest = (digest: string): Credential | null => digests.get(digest) ?? null;
  const byCertificate = (names: readonly string[]): KnownCaller | null => {
    let found: KnownCaller | null = null;
    for (const name of names) {
      const caller = certificates.get(name) ?? null;
      if (caller === null || caller === found) continue;
      if (found !== null) return null;
      found = caller;
    }
    return found;
  };
  return {
    // The hash of a string in V8 has a random seed, and texts are compared only where their hashes are equal: the time
    // tells nothing of a digest. A digest itself tells nothing of a token.
    byDigest,
    byCertificate,
    byEvidence: (evidence, now) => {
      if ('names' in evidence) return byCertificate(evidence.names);
      const credential = byDigest(evidence.digest);
      return credential === null || hasExpired(credential, now) ? null : credential.caller;
    },
    isKnown: (name, now) => {
      return (ends.get(name) ?? []).some((expiresAt) => expiresAt === null || expiresAt > now);
    },
    changed: (changed) => createKnownCallers(changed, workers, limits),
  };
}

/** From the moment of its end on, a token is unknown. */
export function hasExpired({ expiresAt }: Credential, now: number): boolean {
  return expiresAt !== null && expiresAt <= now;
}

class Known implements KnownCaller {
  readonly name: string;
  readonly digest: string | null;
  readonly limits: CallerLimits;
  readonly #methods: ReadonlySet<string> | null;

  constructor({ name, methods }: CallerEntry, limits: CallerLimits, digest: string | null) {
    this.name = name;
    this.digest = digest;
    this.limits = limits;
    this.#methods = methods;
  }

  mayCall(path: string): boolean {
    return this.#methods === null || this.#methods.has(path);
  }
}
