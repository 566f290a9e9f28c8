/**
 * Freshness: what this process has heard, and the one predicate that judges every cached entry by it. Redis holds values,
 * never freshness; the argument why this is enough is in docs/consistency.md. Pure but for the injected clock.
 */
import type { Clock } from '../clock.ts';
import type { FactsChange } from '../permission/facts.ts';
import { memoryKey } from './keys.ts';
import { createRecentChanges } from './recent-changes.ts';

/** The position in the stream of events at which a read of the database began. */
export interface Stamp {
  /** Which stream the sequence belongs to, and what is read; neither can be compared over different epochs. */
  readonly epoch: string;
  /** The last event applied when the read began. */
  readonly seq: number;
}

export interface PositionsOptions {
  readonly clock: Clock;
  /** How long a proof of hearing events lasts, in milliseconds. */
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
  /** `stream:sequence` of the last event applied. */
  applied(): string;
  /** Begins to listen to a stream: nothing stamped before it, or below `floor` in it, is current any more. */
  begin(stream: string, floor: number): void;
  /** What is read from now on is read from `origin`: nothing that was read from elsewhere is current any more. */
  readFrom(origin: string): void;
  /** Events up to `seq` may have been missed: nothing stamped below it is current any more. */
  skipTo(seq: number): void;
  /** Records an event, in stream order. From this instant on, nothing older answers. */
  apply(seq: number, change: FactsChange | null): void;
  /** Records a proof that every event up to `monotonicMs` had been applied. */
  heard(monotonicMs: number): void;
}

/** Creates positions that trust nothing until {@link Positions.begin} and a proof of hearing. */
export const createPositions = ({ clock, leaseMs, rememberMs, maxRemembered }: PositionsOptions): Positions => {
  const createdAt = clock.monotonic();
  let stream = '';
  let origin = '';
  /** Of what is read now, from `origin` while listening to `stream`. */
  let epoch = '';
  let applied = 0;
  // One object for all reads that begin between two events: entries keep it.
  let stamp: Stamp = { epoch, seq: applied };
  let floor = 0;
  let heardAt = Number.NEGATIVE_INFINITY;
  // Forgetting a change of sequence s keeps the promise only if nothing stamped before s is trusted any more.
  const raiseFloor = (seq: number): void => {
    if (seq > floor) floor = seq;
  };
  const recent = () => createRecentChanges({ rememberMs, max: maxRemembered, onForget: raiseFloor });
  let users = recent();
  let organizations = recent();
  let pairs = recent();
  const beginEpoch = (): void => {
    epoch = origin === '' ? stream : `${stream}@${origin}`;
  };

  return {
    stamp: () => {
      if (stamp.seq !== applied || stamp.epoch !== epoch) stamp = { epoch, seq: applied };
      return stamp;
    },
    current: ({ epoch: of, seq }, userId, organizationId) =>
      of === epoch &&
      seq >= floor &&
      seq >= users.latest(userId) &&
      (organizationId === null ||
        (seq >= organizations.latest(organizationId) && seq >= pairs.latest(memoryKey(userId, organizationId)))),
    hearing: () => clock.monotonic() - heardAt < leaseMs,
    lagMs: () => clock.monotonic() - Math.max(heardAt, createdAt),
    applied: () => `${stream}:${applied}`,
    readFrom: (newOrigin) => {
      origin = newOrigin;
      beginEpoch();
    },
    begin: (newStream, newFloor) => {
      stream = newStream;
      beginEpoch();
      applied = newFloor;
      floor = newFloor;
      heardAt = Number.NEGATIVE_INFINITY;
      users = recent();
      organizations = recent();
      pairs = recent();
    },
    skipTo: (seq) => {
      raiseFloor(seq);
      if (seq > applied) applied = seq;
    },
    apply: (seq, change) => {
      if (change !== null) {
        const now = clock.monotonic();
        if (change.kind === 'pair') pairs.record(memoryKey(change.userId, change.organizationId), seq, now);
        else if (change.kind === 'user') users.record(change.userId, seq, now);
        else if (change.kind === 'organization') organizations.record(change.organizationId, seq, now);
        else raiseFloor(seq);
      }
      // A resync that was put off tells of the last event heard, past which a gap may have been skipped meanwhile.
      if (seq > applied) applied = seq;
    },
    heard: (monotonicMs) => {
      // Without a stream nothing was heard that entries could be judged by.
      if (stream !== '' && monotonicMs > heardAt) heardAt = monotonicMs;
    },
  };
};

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
