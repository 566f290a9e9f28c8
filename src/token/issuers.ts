/** The issuers of the configuration, each with the keys that it publishes. */
import type { Clock } from '../clock.ts';
import { databaseKeySource, type StoredKey } from './database-keys.ts';
import { createKeySet, type KeySet, type KeySetEvent } from './key-set.ts';
import type { TokenType } from './kind.ts';
import { remoteKeySource } from './remote-jwks.ts';
import type { IssuerOptions } from './verifier.ts';

/** One issuer of tokens that are signed with published keys. */
export interface IssuerConfig {
  /** What `iss` must be. */
  readonly issuer: string;
  /** Where its keys are: Better Auth's `jwks` table, or the URL of a key set. */
  readonly keys: 'database' | URL;
  /** One of them has to be among the token's. */
  readonly audiences: readonly string[];
  /** The kinds of its tokens that are taken. */
  readonly types: readonly TokenType[];
}

export interface IssuerKeysOptions {
  /** Reads the `jwks` table. */
  readonly readRows: (signal: AbortSignal) => Promise<readonly StoredKey[]>;
  /** How long a key of the table verifies after its `expiresAt`, in milliseconds. */
  readonly graceMs: number;
  readonly clock: Clock;
  /**
   * Must not throw.
   * @param source `database`, or the URL of the key set without its query.
   */
  readonly onEvent: (event: KeySetEvent, source: string) => void;
}

/** The keys of all issuers. */
export interface IssuerKeys extends Pick<KeySet, 'start' | 'stop'> {
  readonly issuers: readonly IssuerOptions[];
}

/**
 * Builds a key set for each place where keys are published: issuers that share a place share its reads. The application's
 * own hosts do, each an issuer, with the keys of one table.
 */
export function createIssuerKeys(configs: readonly IssuerConfig[], options: IssuerKeysOptions): IssuerKeys {
  const sets = new Map<string, KeySet>();
  const keySetOf = (keys: IssuerConfig['keys']): KeySet => {
    const known = sets.get(String(keys));
    if (known !== undefined) return known;
    const { readRows, graceMs, clock, onEvent } = options;
    const source = keys === 'database' ? keys : `${keys.origin}${keys.pathname}`;
    const set = createKeySet(keys === 'database' ? databaseKeySource(readRows) : remoteKeySource(keys), {
      graceMs,
      clock,
      onEvent: (event) => onEvent(event, source),
    });
    sets.set(String(keys), set);
    return set;
  };
  return {
    issuers: configs.map(({ keys, ...config }) => ({ ...config, keys: keySetOf(keys) })),
    start: async () => void (await Promise.all([...sets.values()].map((set) => set.start()))),
    stop: () => {
      for (const set of sets.values()) set.stop();
    },
  };
}
