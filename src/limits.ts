/** Bounds of one process. None of them is a setting: each follows from another bound, or from how long callers wait. */
export const LIMITS = {
  /** How much longer than the TTL an entry may live. Events and changes are kept for the sum of both. */
  marginMs: 60_000,
  rememberedChanges: 200_000,
  /** Connections to PostgreSQL. */
  poolSize: 10,
  statementTimeoutMs: 2_000,
  /** Of a load of facts. It is longer than the timeout of a statement, whose error is more precise. */
  loadTimeoutMs: 2_500,
  /** Reads that may wait for PostgreSQL at once. With a longer queue every caller would miss its deadline. */
  pendingReads: 1_000,
  /** How long the start waits for a live subscription. Without one it serves from PostgreSQL only. */
  firstLeaseMs: 3_000,
} as const;
