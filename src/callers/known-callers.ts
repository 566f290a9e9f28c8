/** The callers in force: found by the digest of a token, or by the names of a certificate. Pure. */
import type { CallerEntry } from './file.ts';
import { CallerLimits, shareOf } from './limits.ts';

/** A caller that has authenticated. */
export interface KnownCaller {
  readonly name: string;
  readonly limits: CallerLimits;
  /** @param path `/package.Service/Method`. */
  mayCall(path: string): boolean;
}

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
  for (const entry of entries) {
    const share = shareOf(entry, workers);
    const own = earlier.get(entry.name) ?? new CallerLimits(share);
    own.change(share);
    limits.set(entry.name, own);
    const caller = new Known(entry, own);
    for (const { digest, expiresAt } of entry.tokens) digests.set(digest, { caller, expiresAt });
    for (const name of entry.certificates) certificates.set(name, caller);
  }
  return {
    // The hash of a string in V8 has a random seed, and texts are compared only where their hashes are equal: the time
    // tells nothing of a digest. A digest itself tells nothing of a token.
    byDigest: (digest) => digests.get(digest) ?? null,
    byCertificate: (names) => {
      let found: KnownCaller | null = null;
      for (const name of names) {
        const caller = certificates.get(name) ?? null;
        if (caller === null || caller === found) continue;
        if (found !== null) return null;
        found = caller;
      }
      return found;
    },
    changed: (changed) => createKnownCallers(changed, workers, limits),
  };
}

class Known implements KnownCaller {
  readonly name: string;
  readonly limits: CallerLimits;
  readonly #methods: ReadonlySet<string> | null;

  constructor({ name, methods }: CallerEntry, limits: CallerLimits) {
    this.name = name;
    this.limits = limits;
    this.#methods = methods;
  }

  mayCall(path: string): boolean {
    return this.#methods === null || this.#methods.has(path);
  }
}
