/** A connection as `shares.ts` sees it, and the bounds by which it is judged. Times are in monotonic milliseconds. */

/** The bounds of {@link Shares}. */
export const SHARES = {
  /** The part of the capacity that is given out. */
  share: 0.9,
  /** The growth of that part at each tick without a late turn, and when there was none for `quietMs`. */
  growth: 1.01,
  quietGrowth: 1.04,
  quietMs: 1_000,
  /** The time, in milliseconds, without a late turn and a held connection after which late calls are answered. */
  settledMs: 500,
  /** The length of the window, in milliseconds, over which the calls of a connection are counted. */
  windowMs: 150,
  /** The time, in milliseconds, after which a change shows. */
  settleMs: 150,
  /** The time, in milliseconds, without a late turn after which connections are released. */
  calmMs: 200,
  /** The time, in milliseconds, after which a held connection and an open one change places. */
  rotateMs: 5_000,
  /** The time, in milliseconds, in which the demand that is expected of a held connection falls to a half. */
  halfLifeMs: 4_000,
  /** An age, in milliseconds, at which no connection stays open only so that one is. */
  farBehindMs: 400,
  /** The part of the capacity that may be spent on the old calls of released connections. */
  drainShare: 0.1,
  /** The longest that a client keeps a call. */
  keptMs: 1_000,
} as const;

/** The least time, in milliseconds, in which the calls that a client has kept arrive once it may send them. */
export const MIN_DRAIN_MS = 50;

/** A connection. */
export class Peer<Connection> {
  readonly connection: Connection;
  /** The number of streams that its client may have open. */
  limit: number;
  /** Whether its calls are refused: its client has kept them for long. */
  draining = false;
  /** Whether its client has not acknowledged its limit yet. */
  telling = false;
  /** Calls of the window. */
  calls = 0;
  /** Calls a second. */
  demand = 0;
  /** Since when it has its limit. */
  since: number;
  /** @internal Whether the window has calls that were refused because they were old. */
  partial = false;
  /** @internal The turn of its last call, and its calls in that turn. */
  turn = 0;
  turnCalls = 0;
  /** @internal From when on, for how long, and how many calls are counted, to see whether its client has sent all that it kept. */
  drainFrom = 0;
  drainMs = MIN_DRAIN_MS;
  drainCalls = 0;
  drainTurn = 0;
  /** @internal The mean demand of the connections that stayed open when it was held. */
  meanAtHold = 0;
  /** @internal How often it was held as soon as it was released. */
  failures = 0;

  constructor(connection: Connection, limit: number, now: number) {
    this.connection = connection;
    this.limit = limit;
    this.since = now;
  }

  get held(): boolean {
    return this.limit === 0;
  }
}

/**
 * The calls a second that a held connection will bring: as many as when it was held, less by as much as the demand of the
 * others has fallen, and less the longer it has not been seen.
 */
export function expectedDemand<Connection>(peer: Peer<Connection>, mean: number, now: number): number {
  const scale = peer.meanAtHold === 0 ? 1 : Math.min(1, mean / peer.meanAtHold);
  return peer.demand * scale * 0.5 ** ((now - peer.since) / (SHARES.halfLifeMs * 2 ** peer.failures));
}
