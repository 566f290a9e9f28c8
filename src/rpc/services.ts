/** The services that the handlers use; app.ts composes them. */

import type { Clock } from '../clock.ts';
import type { Directory } from '../database/directory.ts';
import type { FactsCache, Caller as FactsCaller, FactsTier } from '../facts/cache.ts';
import type { DecisionReason } from '../policy/decide.ts';
import type { Policy } from '../policy/grants.ts';
import type { TokenVerifier } from '../token/principal.ts';
import type { PageTokens } from './page-token.ts';

/** The call that a handler answers. */
export interface Caller extends FactsCaller {
  /** The name of the caller; null where callers are not authenticated. */
  readonly name: string | null;
  /** Reports an error that is not the caller's, in a part of a call that goes on. Its text is for the log only. */
  onDefect(error: unknown): void;
}

/** The source of a decision: the tier that its facts came from, or the token alone. */
export type DecisionSource = FactsTier | 'token';

export interface Services {
  readonly verifier: TokenVerifier;
  readonly cache: FactsCache;
  readonly directory: Pick<
    Directory,
    'userById' | 'userByEmail' | 'organizationById' | 'organizationBySlug' | 'memberships'
  >;
  /** The policy in force now. */
  readonly policy: () => Policy;
  readonly pageTokens: PageTokens;
  readonly clock: Clock;
  /** Counts a decision. */
  readonly onDecision: (reason: DecisionReason, source: DecisionSource) => void;
}
