/** Bounds of one process. None of them is a setting: each follows from another bound, or from how long callers wait. */
export const LIMITS = {
  /** How much longer than the TTL an entry may live. Events and changes are kept for the sum of both. */
  marginMs: 60_000,
  rememberedChanges: 200_000,
  /** How long the start waits for a live subscription. Without one it serves from PostgreSQL only. */
  firstLeaseMs: 3_000,
} as const;
