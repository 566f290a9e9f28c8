/** Bounds of one process. None of them is a setting: each follows from another, or from what callers can bear. */
export const LIMITS = {
  /** What an entry outlives the TTL by at most: how far back events are heard and changes remembered. */
  marginMs: 60_000,
  rememberedChanges: 200_000,
  /** Connections to PostgreSQL. */
  poolSize: 10,
  statementTimeoutMs: 2_000,
  /** Of a load of facts; a statement that is given up says so itself before it. */
  loadTimeoutMs: 2_500,
  /** Beyond this many reads of the database at once, waiting would only make every caller late. */
  pendingReads: 1_000,
  /** How long the start waits for events before it serves without them, from PostgreSQL only. */
  firstProofMs: 3_000,
} as const;
