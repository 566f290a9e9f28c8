/** `createAssent`: the client over gRPC. */
import type { Assent } from './assent.ts';
import type { AssentOptions } from './options.ts';

/**
 * Makes a client. It connects at its first call and needs `close()` for the process to end by itself.
 *
 * Defaults: 1 s a call; after 250 ms without an answer one more attempt on another connection, for at most a tenth of the
 * calls; retries of UNAVAILABLE and of an overload within the call's time and a budget; reconnects after 100 ms to 2 s; keepalive
 * after 10 s, answered within 2 s; all addresses behind a name in turn, by their health.
 * @typeParam Permission The permission names, as `assent-policy types` writes them: a misspelt one does not compile.
 * @throws {AssentError} `MISCONFIGURED` when an option is missing or malformed; its reason and message name the option.
 */
export function createAssent<Permission extends string = string>(options: AssentOptions): Assent<Permission> {
  throw new Error(`not yet: ${JSON.stringify(options)}`);
}
