/** What a failed write says about whether it was done. Pure. */

// SQLSTATE classes (and Prisma's P1 codes) in which the answer did not come rather than being no: connection, operator
// intervention, system error.
const NO_ANSWER = /^(?:08|57|58|P1)/;
const STATE = /^[0-9A-Z]{5}$/;

/**
 * Whether a write that failed may have been done all the same: its answer was lost with the connection. Only a database
 * that refused it is proof that it was not; an event too many costs a read, one too few leaves a revoked right in force.
 */
export const mayHaveBeenDone = (error: unknown): boolean => {
  for (let current = error, depth = 0; current instanceof Error && depth < 10; current = current.cause, depth += 1) {
    const code = 'code' in current ? current.code : undefined;
    if (typeof code === 'string' && STATE.test(code)) return NO_ANSWER.test(code);
  }
  return true;
};
