/** Whether the database may have committed a write that failed with an error. Pure. */

/**
 * SQLSTATE classes, and Prisma's P1 codes, that say that no answer came: connection exception, operator intervention, system
 * error. Any other code is a refusal.
 */
const NO_ANSWER = /^(?:08|57|58|P1)/;
const STATE = /^[0-9A-Z]{5}$/;
const MAX_CAUSES = 10;

/**
 * A failure is ambiguous when the answer was lost with the connection, so that the write may have been done. Only a refusal
 * by the database proves that it was not. An event too many costs a read; an event too few leaves a revoked right in force.
 */
export function isAmbiguousFailure(error: unknown): boolean {
  let current = error;
  for (let depth = 0; current instanceof Error && depth < MAX_CAUSES; depth += 1) {
    const code = 'code' in current ? current.code : undefined;
    if (typeof code === 'string' && STATE.test(code)) return NO_ANSWER.test(code);
    current = current.cause;
  }
  return true;
}
