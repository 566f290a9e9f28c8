/**
 * Freshness: what this process has heard, and the one predicate that judges every cached entry by it. Redis holds values,
 * never freshness; the argument why this is enough is in docs/understand/consistency.md. Pure but for the injected clock.
 */
import type { Clock } from '../clock.ts';
import type { FactsChange } from '../policy/facts.ts';
import { memoryKey } from './keys.ts';
import { createRecentChanges } from './recent-changes.ts';

/** The position in the stream of events at which a read of the database began. */
export interface Stamp {
  /** Which stream the sequence belongs to, and what is read; neither can be compared over different epochs. */
  readonly epoch: string;
  /** The last event applied when the read began. */
  readonly seq: number;
}

/** Up to which event a process has applied all: what `assent-position` says. */
export interface Revision {
  /** Names the history of the stream and the data source: the same in all processes that share both. */
  readonly epoch: string;
  readonly seq: number;
  /** When the stream took the message of that number, in nanoseconds since 1970; null where that is not known. */
  readonly takenAt: string | null;
}

export interface PositionsOptions {
  readonly clock: Clock;
  /**
   * How long a proof of hearing events lasts, in milliseconds. What makes everything stale is put into force at most four
   * times in that time.
   */
  readonly leaseMs: number;
  /** How long a change is remembered: the longest life of an entry and some more, in milliseconds. */
  readonly rememberMs: number;
  /** How many changes of each kind are remembered at most. */
  readonly maxRemembered: number;
}

export interface Positions {
  /** What a read that begins now is stamped with. Take it before the read. */
  stamp(): Stamp;
  /**
   * The predicate: whether data stamped like this shows every change that this process has applied for the pair. The only
   * judge for memory, for Redis, for joining a flight and for landing its result. Where nothing was ever applied it holds
   * of everything read here: {@link hearing} is what keeps that from being cached.
   */
  current(stamp: Stamp, userId: string, organizationId: string | null): boolean;
  /** Whether a proof of hearing is younger than the lease; otherwise nothing cached may answer. */
  hearing(): boolean;
  /** How long ago, in milliseconds, the moment is up to which everything published is known to be applied. */
  lagMs(): number;
  /** The last event that is in force, with all before it. It may lag behind {@link stamp}, never lead. */
  applied(): Revision;
  /**
   * Begins to listen to a stream: nothing stamped before it, or below `floor` in it, is current any more.
   * @param stream Names the numbers for stamps, which are compared with those of other processes.
   * @param takenAt The moment of the message `floor`.
   * @param history Names the numbers for {@link Revision}: `stream` unless stamps are of no use to other processes.
   */
  begin(stream: string, floor: number, takenAt?: string | null, history?: string): void;
  /** What is read from now on is read from `origin`: nothing that was read from elsewhere is current any more. */
  readFrom(origin: string): void;
  /** Events up to `seq` may have been missed: nothing stamped below it is current any more. */
  skipTo(seq: number, takenAt?: string | null): void;
  /**
   * Records an event, in stream order. From this instant on, nothing older answers. A change of everything that comes soon
   * after another one waits, together with those that follow it, and {@link applied} and proofs wait with it.
   */
  apply(seq: number, change: FactsChange | null, takenAt?: string | null): void;
  /** Records a proof that every event up to `monotonicMs` had been recorded. */
  heard(monotonicMs: number): void;
}

/** Creates positions that trust nothing until {@link Positions.begin} and a proof of hearing. */
export const createPositions = ({ clock, leaseMs, rememberMs, maxRemembered }: PositionsOptions): Positions => {
  const createdAt = clock.monotonic();
  /** A broken publisher, or one that is in doubt, must not empty all caches with each of its events. */
  const joinMs = leaseMs / 4;
  let stream = '';
  let history = '';
  let origin = '';
  /** Of what is read now, from `origin` while listening to `stream`. */
  let epoch = '';
  let applied = 0;
  let takenAt: string | null = null;
  // One object for all reads that begin between two events: entries keep it.
  let stamp: Stamp = { epoch, seq: applied };
  let floor = 0;
  let heardAt = Number.NEGATIVE_INFINITY;
  /** When everything was last made stale. */
  let emptiedAt = Number.NEGATIVE_INFINITY;
  /** Changes of everything that wait: the position before the first, the number of the last. */
  let waiting: { readonly before: Omit<Revision, 'epoch'>; last: number; readonly dueAt: number } | null = null;
  /** The latest proof that waits with them. */
  let proofAt = Number.NEGATIVE_INFINITY;
  // Forgetting a change of sequence s keeps the promise only if nothing stamped before s is trusted any more.
  const raiseFloor = (seq: number): void => {
    if (seq > floor) floor = seq;
  };
  const recent = () =>
    createRecentChanges({
      rememberMs,
      max: maxRemembered,
      // guard: floor-at-a-forgotten-change
      onForget: raiseFloor,
    });
  let users = recent();
  let organizations = recent();
  let pairs = recent();
  const ofOrigin = (name: string): string => {
    // guard: data-source-in-the-epoch
    return origin === '' ? name : `${name}@${origin}`;
  };
  const beginEpoch = (): void => {
    epoch = ofOrigin(stream);
  };
  const makeAllStale = (seq: number, now: number): void => {
    raiseFloor(seq);
    emptiedAt = now;
    waiting = null;
    if (proofAt > heardAt) heardAt = proofAt;
  };
  /** Comes before every look at what is in force: nobody is left to do it later, and no timer to be late. */
  const settle = (): void => {
    if (waiting === null) return;
    const now = clock.monotonic();
    if (now >= waiting.dueAt) makeAllStale(waiting.last, now);
  };

  return {
    stamp: () => {
      if (stamp.seq !== applied || stamp.epoch !== epoch) stamp = { epoch, seq: applied };
      return stamp;
    },
    current: ({ epoch: of, seq }, userId, organizationId) => {
      settle();
      return (
        // guard: epoch
        of === epoch &&
        seq >= floor &&
        seq >= users.latest(bare(userId)) &&
        // guard: changes-of-an-organization
        (organizationId === null || seq >= organizations.latest(bare(organizationId))) &&
        (organizationId === null || seq >= pairs.latest(pairOf(userId, organizationId)))
      );
    },
    hearing: () => {
      settle();
      // guard: lease
      return clock.monotonic() - heardAt < leaseMs;
    },
    lagMs: () => {
      settle();
      return clock.monotonic() - Math.max(heardAt, createdAt);
    },
    applied: () => {
      settle();
      // guard: revision-waits-for-a-change-of-everything
      const { seq, takenAt: at } = waiting === null ? { seq: applied, takenAt } : waiting.before;
      return { epoch: ofOrigin(history), seq, takenAt: at };
    },
    readFrom: (newOrigin) => {
      // guard: data-source-found-later
      origin = newOrigin;
      beginEpoch();
    },
    begin: (newStream, newFloor, newTakenAt = null, newHistory = newStream) => {
      stream = newStream;
      history = newHistory;
      beginEpoch();
      applied = newFloor;
      takenAt = newTakenAt;
      floor = newFloor;
      heardAt = Number.NEGATIVE_INFINITY;
      // What waited was numbered otherwise, and nothing from before it is current any more.
      waiting = null;
      proofAt = Number.NEGATIVE_INFINITY;
      users = recent();
      organizations = recent();
      pairs = recent();
    },
    skipTo: (seq, newTakenAt = null) => {
      settle();
      // guard: floor-at-a-gap
      raiseFloor(seq);
      if (waiting !== null && waiting.last <= seq) makeAllStale(seq, clock.monotonic());
      if (seq <= applied) return;
      applied = seq;
      takenAt = newTakenAt;
    },
    apply: (seq, change, newTakenAt = null) => {
      settle();
      if (change !== null) {
        const now = clock.monotonic();
        if (change.kind === 'everything') {
          if (waiting !== null) waiting.last = seq;
          else if (now - emptiedAt >= joinMs) makeAllStale(seq, now);
          else waiting = { before: { seq: applied, takenAt }, last: seq, dueAt: emptiedAt + joinMs };
        } else if (change.kind === 'pair') pairs.record(pairOf(change.userId, change.organizationId), seq, now);
        else if (change.kind === 'user') users.record(bare(change.userId), seq, now);
        else organizations.record(bare(change.organizationId), seq, now);
      }
      applied = seq;
      takenAt = newTakenAt;
    },
    heard: (monotonicMs) => {
      settle();
      // Without a stream nothing was heard that entries could be judged by.
      if (stream === '') return;
      // What waits is not in force yet: a proof of it would let older entries answer past the lease.
      // guard: proof-waits-for-a-change-of-everything
      if (waiting !== null) proofAt = Math.max(proofAt, monotonicMs);
      else if (monotonicMs > heardAt) heardAt = monotonicMs;
    },
  };
};

/**
 * An id as changes are remembered by: without blanks at its end. In a column of `char(n)` two ids that differ in these are
 * one, and an event may name the other. Where they are two, a change of one costs the other a read.
 */
const bare = (id: string): string => (id.endsWith(' ') ? id.trimEnd() : id);
const pairOf = (userId: string, organizationId: string): string => memoryKey(bare(userId), bare(organizationId));

/** The epoch of processes without events: entries are shared and the TTL alone bounds their age. */
const TTL_EPOCH = 'ttl';

/** Positions for a service without NATS: always hearing, never told of anything. */
export const createTtlPositions = (clock: Clock): Positions => {
  const positions = createPositions({ clock, leaseMs: Number.POSITIVE_INFINITY, rememberMs: 0, maxRemembered: 0 });
  positions.begin(TTL_EPOCH, 0);
  positions.heard(clock.monotonic());
  // There is nothing to lag behind.
  return { ...positions, lagMs: () => 0 };
};
