/** How many checks go into one batch. */

/** Of one batch; the service takes 500 checks and 4 MiB. */
const MAX_CHECKS = 500;
const MAX_BYTES = 3_500_000;

/** The checks in batches that the service takes, in order. */
export function planBatches<Check extends { readonly message: Buffer }>(checks: readonly Check[]): readonly Check[][] {
  const batches: Check[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const check of checks) {
    const last = batches.at(-1);
    if (last === undefined || last.length === MAX_CHECKS || bytes + check.message.length > MAX_BYTES) {
      batches.push([check]);
      bytes = check.message.length;
    } else {
      last.push(check);
      bytes += check.message.length;
    }
  }
  return batches;
}
