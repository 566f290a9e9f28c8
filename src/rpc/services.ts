/** The services that the handlers use; app.ts composes them. */

import type { Clock } from '../clock.ts';
import type { Directory } from '../database/directory.ts';
import type { Caller, FactsCache, FactsTier } from '../facts/cache.ts';
import type { DecisionReason } from '../policy/decide.ts';
import type { Policy } from '../policy/grants.ts';
import type { TokenVerifier } from '../token/principal.ts';
import type { PageTokens } from './page-token.ts';

export type { Caller };

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
