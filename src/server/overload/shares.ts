/**
 * Decides which connections may open streams while the process is behind. Pure: times are arguments, in monotonic milliseconds.
 *
 * To refuse a call costs nearly as much as to answer it, so a process that is asked for much more than it can answer has to
 * read less. A client that may open no stream keeps its calls, which end by their deadlines without any cost for the server.
 * The clients of the other connections get all of their answers. Every client keeps its calls in the order in which they came,
 * so a smaller number of streams for all would bring only calls whose deadline is about to pass.
 */

import { expectedDemand, MIN_DRAIN_MS, Peer, SHARES } from './peer.ts';
import type { TurnState } from './turns.ts';

/** The longest time, in milliseconds, for which the calls of a draining connection are counted at once. */
const MAX_DRAIN_MS = 200;

/** The time, in milliseconds, in which a client acknowledges its limit. */
const UNACKNOWLEDGED_MS = 500;
const MAX_FAILURES = 4;

export class Shares<Connection> {
  readonly #limit: number;
  readonly #peers = new Set<Peer<Connection>>();
  /** Calls a second that open connections may ask for; infinite while the process keeps up. */
  #budget = Number.POSITIVE_INFINITY;
  #capacity = Number.POSITIVE_INFINITY;
  #held = 0;
  #refusing = false;
  #draining = 0;
  #turn = 0;
  #lastLate = Number.NEGATIVE_INFINITY;
  #lastChange = Number.NEGATIVE_INFINITY;
  #nextRotation = Number.NEGATIVE_INFINITY;

  /** @param limit The number of streams of a connection that is open. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The number of connections whose clients may open no stream. */
  get held(): number {
    return this.#held;
  }

  /** Whether {@link tick} has to be called. */
  get active(): boolean {
    return this.#budget !== Number.POSITIVE_INFINITY || this.#draining > 0;
  }

  /** Whether late calls are refused: calls have waited in a backlog a short time ago, or connections are held. */
  get refusing(): boolean {
    return this.#refusing;
  }

  add(connection: Connection, now: number): Peer<Connection> {
    const peer = new Peer(connection, this.#limit, now);
    this.#peers.add(peer);
    return peer;
  }

  remove(peer: Peer<Connection>): void {
    if (!this.#peers.delete(peer)) return;
    if (peer.held) this.#held -= 1;
    if (peer.draining) this.#draining -= 1;
  }

  /** Counts a call. */
  count(peer: Peer<Connection>): void {
    peer.calls += 1;
    if (peer.draining) peer.drainCalls += 1;
    if (peer.turn !== this.#turn) {
      peer.turn = this.#turn;
      peer.turnCalls = 0;
    }
    peer.turnCalls += 1;
  }

  /**
   * Ends a turn.
   * @param measured Called when the calls so far were counted.
   * @returns The connections with a new limit.
   */
  endTurn(state: TurnState, measured: () => void): readonly Peer<Connection>[] {
    const { now, age, late, growing, arrivalMs, capacity } = state;
    if (this.active) this.#watchDrains(now);
    this.#turn += 1;
    if (late) this.#lastLate = now;
    const behind = late && (growing || this.#refusing);
    const react = behind && capacity !== null && arrivalMs >= MIN_DRAIN_MS && now - this.#lastChange >= SHARES.settleMs;
    if (!react && (late || arrivalMs < SHARES.windowMs)) return [];
    this.#measure(arrivalMs, react ? 1 : 0.5);
    measured();
    if (!react) return [];
    this.#lastChange = now;
    this.#refusing = true;
    this.#capacity = capacity;
    this.#budget = capacity * SHARES.share;
    return this.#hold(now, age);
  }

  /** Looks, each 100 ms, whether connections can be released. @returns The connections with a new limit. */
  tick(now: number): readonly Peer<Connection>[] {
    this.#watchDrains(now);
    const calmMs = now - this.#lastLate;
    if (calmMs < SHARES.calmMs) return [];
    this.#budget *= calmMs < SHARES.quietMs ? SHARES.growth : SHARES.quietGrowth;
    if (this.#held > 0) return this.#release(now);
    if (calmMs >= SHARES.settledMs) this.#refusing = false;
    if (this.#budget > 3 * this.#capacity) this.#budget = Number.POSITIVE_INFINITY;
    return [];
  }

  /** Notes that a client knows its limit. @param tookMs The time from the frame of settings to its acknowledgement. */
  acknowledged(peer: Peer<Connection>, now: number, tookMs: number): void {
    this.#countDrain(peer, now, Math.min(MAX_DRAIN_MS, Math.max(MIN_DRAIN_MS, 2 * tookMs)));
  }

  /**
   * A connection that brings all of the streams that it may have in one turn has kept further calls. It is refused until its
   * client has sent them all.
   */
  #watchDrains(now: number): void {
    for (const peer of this.#peers) {
      if (!peer.draining && !peer.held && peer.turn === this.#turn && peer.turnCalls >= peer.limit) {
        this.#drain(peer, now);
      }
      if (!peer.draining || now - peer.drainFrom < peer.drainMs) continue;
      // The calls of a client come with the turn after the one that brings its acknowledgement.
      if (this.#turn < peer.drainTurn + 2 && now - peer.drainFrom < MAX_DRAIN_MS * 2) continue;
      if (peer.held || peer.drainCalls < peer.limit) {
        peer.draining = false;
        this.#draining -= 1;
      } else this.#countDrain(peer, now, peer.drainMs);
    }
  }

  #drain(peer: Peer<Connection>, from: number): void {
    if (!peer.draining) this.#draining += 1;
    peer.draining = true;
    peer.partial = true;
    this.#countDrain(peer, from, MIN_DRAIN_MS);
  }

  #countDrain(peer: Peer<Connection>, from: number, ms: number): void {
    peer.drainFrom = from;
    peer.drainMs = ms;
    peer.drainCalls = 0;
    peer.drainTurn = this.#turn;
  }

  #measure(arrivalMs: number, weight: number): void {
    for (const peer of this.#peers) {
      const unknown = peer.held || peer.draining;
      if (!unknown && !peer.partial) {
        peer.demand += ((peer.calls / arrivalMs) * 1_000 - peer.demand) * weight;
      }
      peer.partial = unknown;
      peer.calls = 0;
    }
  }

  /**
   * Holds connections, so that the others together stay within the budget: first connections that ask for much more than the
   * others, then connections that have been open for longest.
   */
  #hold(now: number, age: number): readonly Peer<Connection>[] {
    const open = this.#open();
    const mean = sumOf(open) / open.length;
    const isHeavy = ({ demand }: Peer<Connection>): number => (demand > 2 * mean ? 1 : 0);
    const stay: Peer<Connection>[] = [];
    const held: Peer<Connection>[] = [];
    let sum = 0;
    for (const peer of open.toSorted((a, b) => isHeavy(a) - isHeavy(b) || b.since - a.since)) {
      const fits = sum + peer.demand <= this.#budget || (stay.length === 0 && age <= SHARES.farBehindMs);
      (fits ? stay : held).push(peer);
      if (fits) sum += peer.demand;
    }
    for (const peer of held) this.#close(peer, now, stay.length === 0 ? 0 : sum / stay.length);
    return held;
  }

  #close(peer: Peer<Connection>, now: number, mean: number): void {
    const openMs = now - peer.since;
    if (openMs < SHARES.halfLifeMs / 2) peer.failures = Math.min(MAX_FAILURES, peer.failures + 1);
    else if (openMs > SHARES.halfLifeMs) peer.failures = 0;
    peer.limit = 0;
    peer.since = now;
    peer.meanAtHold = mean;
    this.#held += 1;
  }

  /** Releases the connections that have been held for longest, as far as the budget goes. */
  #release(now: number): readonly Peer<Connection>[] {
    const open = this.#open();
    const held = [...this.#peers].filter((peer) => peer.held).toSorted((a, b) => a.since - b.since);
    let sum = sumOf(open);
    const mean = open.length === 0 ? 0 : sum / open.length;
    const spare = (this.#capacity - sum) * SHARES.drainShare;
    const released: Peer<Connection>[] = [];
    let old = 0;
    for (const peer of held) {
      const expected = expectedDemand(peer, mean, now);
      old += (expected * Math.min(SHARES.keptMs, now - peer.since)) / 1_000;
      const first = released.length === 0;
      if (sum + expected > this.#budget && !(first && open.length === 0)) break;
      if (old > spare && !first) break;
      sum += expected;
      this.#reopen(peer, now, expected);
      released.push(peer);
    }
    return released.length > 0 ? released : this.#rotate(open, held, mean, now);
  }

  #reopen(peer: Peer<Connection>, now: number, expected: number): void {
    peer.limit = this.#limit;
    peer.since = now;
    peer.demand = expected;
    this.#held -= 1;
    // Its client has to acknowledge the limit before. One that never does is taken to have done so.
    this.#drain(peer, now + UNACKNOWLEDGED_MS);
  }

  /** The connection that has been held for longest and the one that has been open for longest change places. */
  #rotate(
    open: readonly Peer<Connection>[],
    [first]: readonly Peer<Connection>[],
    mean: number,
    now: number,
  ): readonly Peer<Connection>[] {
    const oldest = open.toSorted((a, b) => a.since - b.since)[0];
    if (first === undefined || oldest === undefined || now < this.#nextRotation) return [];
    if (now - first.since < SHARES.rotateMs || now - oldest.since < SHARES.rotateMs) return [];
    this.#nextRotation = now + ((first.demand / this.#capacity) * SHARES.keptMs) / (SHARES.drainShare / 2);
    this.#close(oldest, now, mean);
    this.#reopen(first, now, first.demand);
    return [oldest, first];
  }

  #open(): Peer<Connection>[] {
    return [...this.#peers].filter((peer) => !peer.held && peer.demand > 0);
  }
}

function sumOf<Connection>(peers: readonly Peer<Connection>[]): number {
  return peers.reduce((sum, { demand }) => sum + demand, 0);
}
