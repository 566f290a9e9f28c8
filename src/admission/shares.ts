/**
 * The order of waiting reads: whose read is next. Pure.
 *
 *     shares   one of each caller, in turn, one read each
 *       calls  new calls and calls that have had a turn, alternately: a batch stands before no single check, and goes on
 *         reads  in the order of their arrival
 */
import type { Caller } from './demand.ts';

/** A call, as far as the order of the line depends on it. */
export type LineCall = Pick<Caller, 'name'>;

/** The waiting reads of one call. */
export interface CallQueue<Read> {
  readonly call: LineCall;
  readonly reads: Set<Read>;
  /** When the call entered the line or had its last turn, in monotonic milliseconds. */
  movedAt: number;
}

/** The waiting calls of one share. */
interface ShareQueue<Read> {
  /** Calls that have had no turn since they entered. */
  readonly fresh: FreshCalls<CallQueue<Read>>;
  /** Calls that have had a turn and have more reads, in the order of their last turns. */
  readonly served: Set<CallQueue<Read>>;
  lastWasFresh: boolean;
  /** The number of reads of all its calls. */
  reads: number;
}

/** Shares with waiting calls. */
export class Shares<Read> {
  // A map keeps the order of insertion, which is that of the turns; any share can be deleted from it.
  readonly #ring = new Map<string | null, ShareQueue<Read>>();

  /** The number of waiting reads of a share; a read that several of its calls want counts for each of them. */
  readsOf(name: string | null): number {
    return this.#ring.get(name)?.reads ?? 0;
  }

  /** Adds a read to a call, and the call to its share with its first read. */
  add(queue: CallQueue<Read>, read: Read): void {
    const share = this.#of(queue);
    if (queue.reads.size === 0) share.fresh.add(queue);
    queue.reads.add(read);
    share.reads += 1;
  }

  /** Removes a read from a call, the call with its last read, and the share with its last call. */
  delete(queue: CallQueue<Read>, read: Read): void {
    const share = this.#of(queue);
    queue.reads.delete(read);
    share.reads -= 1;
    if (queue.reads.size > 0) return;
    share.fresh.delete(queue);
    share.served.delete(queue);
    if (share.reads === 0) this.#ring.delete(queue.call.name);
  }

  /** Moves a call behind all others of its share that have had a turn. */
  hadTurn(queue: CallQueue<Read>): void {
    const { fresh, served } = this.#of(queue);
    fresh.delete(queue);
    served.delete(queue);
    served.add(queue);
  }

  /**
   * Takes the turn of the next share.
   * @param longBefore The newest of its new calls is next, and not the oldest, if the oldest has come before this time: first
   *   come, first served would give each turn to a call that is about to leave.
   * @returns Undefined when no call waits.
   */
  next(longBefore: number): CallQueue<Read> | undefined {
    const [first] = this.#ring;
    if (first === undefined) return undefined;
    const [name, queue] = first;
    // The last one from now on.
    // guard: turn-of-the-next-share
    this.#ring.delete(name);
    this.#ring.set(name, queue);
    const [served] = queue.served;
    const oldest = queue.fresh.oldest();
    // guard: turn-of-a-call-that-had-one
    const isFresh = oldest !== undefined && (served === undefined || !queue.lastWasFresh);
    queue.lastWasFresh = isFresh;
    if (!isFresh) return served;
    // guard: newest-call-first
    return oldest.movedAt < longBefore ? queue.fresh.newest() : oldest;
  }

  /** Since when a call has had no turn, of all calls; Infinity when no call waits. */
  waitsSince(): number {
    let since = Number.POSITIVE_INFINITY;
    for (const { fresh, served } of this.#ring.values()) {
      const [longest] = served;
      since = Math.min(since, fresh.oldest()?.movedAt ?? since, longest?.movedAt ?? since);
    }
    return since;
  }

  /** The calls without a turn since a moment before `since`. They may be deleted meanwhile. */
  *waitingSince(since: number): Iterable<CallQueue<Read>> {
    for (const { fresh, served } of [...this.#ring.values()]) {
      for (const calls of [fresh, served]) {
        // In the order of their last turns.
        for (const call of calls) {
          if (call.movedAt >= since) break;
          yield call;
        }
      }
    }
  }

  /** The queue of the share of a call; its turn is the last one if it has none yet. */
  #of({ call: { name } }: CallQueue<Read>): ShareQueue<Read> {
    let queue = this.#ring.get(name);
    if (queue === undefined) {
      queue = { fresh: new FreshCalls(), served: new Set(), lastWasFresh: false, reads: 0 };
      this.#ring.set(name, queue);
    }
    return queue;
  }
}

/** A set with an oldest and a newest member. */
class FreshCalls<Member> {
  readonly #members = new Set<Member>();
  // Members in the order of their arrival, and some that are deleted.
  #stack: Member[] = [];

  get size(): number {
    return this.#members.size;
  }

  add(member: Member): void {
    this.#members.add(member);
    this.#stack.push(member);
  }

  delete(member: Member): void {
    if (!this.#members.delete(member)) return;
    if (this.#stack.length > 2 * this.#members.size + 32) this.#stack = [...this.#members];
  }

  /** From the oldest one. */
  [Symbol.iterator](): Iterator<Member> {
    return this.#members.values();
  }

  oldest(): Member | undefined {
    const [oldest] = this.#members;
    return oldest;
  }

  newest(): Member | undefined {
    let newest = this.#stack.at(-1);
    while (newest !== undefined && !this.#members.has(newest)) {
      this.#stack.pop();
      newest = this.#stack.at(-1);
    }
    return newest;
  }
}
