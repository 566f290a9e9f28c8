/**
 * Freshness: the events that this process has applied, and the one predicate that judges every cached entry by them. Redis
 * stores facts with a revision; each process decides itself whether they are current. docs/understand/consistency.md has the
 * argument why this is enough. Pure but for the injected clock.
 */
import type { Clock } from '../clock.ts';
import type { InvalidationSink } from '../invalidation/sink.ts';
import { memoryKey } from './cache-key.ts';

/** How much of the stream of events a read of the database is known to show. */
export interface Revision {
  /** Names the numbering and the data source. Revisions of different epochs cannot be compared. */
  readonly epoch: string;
  /** The last event that was recorded when the read began. It may be ahead of the last event in force, never behind it. */
  readonly seq: number;
}

/** The last event that is in force in a process, with all events before it: the value of `assent-position`. */
export interface AppliedRevision extends Revision {
  /** Names the history of the stream and the data source: the same in all processes that share both. */
  readonly epoch: string;
  /** When the stream took the message of that number, in nanoseconds since 1970; null where that is not known. */
  readonly takenAt: string | null;
}

export interface FreshnessOptions {
  readonly clock: Clock;
  /**
   * How long a lease lasts, in milliseconds. Changes of everything are put into force at most four times in a lease.
   */
  readonly leaseMs: number;
  /** How long a change is remembered, in milliseconds: the longest life of an entry, and a margin. */
  readonly rememberMs: number;
  /** How many changes of each kind are remembered at most. */
  readonly maxRemembered: number;
}

export interface FreshnessTracker extends InvalidationSink {
  /** The revision for a read that begins now. Take it before the read. */
  revision(): Revision;
  /**
   * The predicate: whether data of this revision shows every change for the pair that is in force in this process. It alone
   * judges entries in memory and in Redis, and loads that are joined or that end. Before the first event it holds for
   * everything that this process reads; {@link isLive} keeps that from being cached.
   */
  isCurrent(revision: Revision, userId: string, organizationId: string | null): boolean;
  /** Whether the lease is valid. Otherwise the subscription is stale and no cached entry may answer. */
  isLive(): boolean;
  /** How far behind the stream this process may be, in milliseconds: the age of the last lease renewal. */
  lagMs(): number;
  /** The last event in force. It may be behind {@link revision}, never ahead of it. */
  applied(): AppliedRevision;
  /** Names the data source of all reads from now on. Entries that were read from another source are no longer current. */
  setDataSource(id: string): void;
  /**
   * Applies an event, in stream order: from this instant on, no older entry of the changed facts answers. A change of everything
   * that follows another one soon is put off, together with those after it. {@link applied} and the lease are put off too.
   */
  apply: InvalidationSink['apply'];
}

/** Creates a tracker that trusts nothing before {@link InvalidationSink.begin} and the first lease. */
export function createFreshnessTracker(options: FreshnessOptions): FreshnessTracker {
  const { clock, leaseMs, rememberMs, maxRemembered } = options;
  const createdAt = clock.monotonic();
  /** A broken publisher, or one in doubt, must not empty all caches with each of its events. */
  const minEmptyingIntervalMs = leaseMs / 4;
  /** The numbering of the stream, for processes and for clients, without the data source. */
  let numbering = '';
  let history = '';
  let dataSource = '';
  /** The epoch of a read that begins now: the numbering and the data source. */
  let epoch = '';
  /** The last event recorded. It is in force, unless `putOff` holds events. */
  let applied = 0;
  let takenAt: string | null = null;
  // One object for all reads that begin between two events: entries keep it.
  let revision: Revision = { epoch, seq: applied };
  let lowWaterMark = 0;
  /** The monotonic moment of the last lease renewal: all events published before it are applied. */
  let renewedAt = Number.NEGATIVE_INFINITY;
  /** When everything was last made stale. */
  let emptiedAt = Number.NEGATIVE_INFINITY;
  /** The changes of everything that are put off: the applied event before the first one, and the number of the last one. */
  let putOff: { readonly before: Omit<AppliedRevision, 'epoch'>; last: number; readonly dueAt: number } | null = null;
  /** The latest lease renewal that is put off with them. */
  let renewalPutOff = Number.NEGATIVE_INFINITY;
  let users = createIndex();
  let organizations = createIndex();
  let pairs = createIndex();

  return {
    revision: () => {
      if (revision.seq !== applied || revision.epoch !== epoch) revision = { epoch, seq: applied };
      return revision;
    },
    isCurrent: ({ epoch: readUnder, seq }, userId, organizationId) => {
      applyWhatIsDue();
      return (
        // guard: epoch
        readUnder === epoch &&
        seq >= lowWaterMark &&
        seq >= users.latest(bare(userId)) &&
        // guard: changes-of-an-organization
        (organizationId === null || seq >= organizations.latest(bare(organizationId))) &&
        (organizationId === null || seq >= pairs.latest(pairOf(userId, organizationId)))
      );
    },
    isLive: () => {
      applyWhatIsDue();
      // guard: lease
      return clock.monotonic() - renewedAt < leaseMs;
    },
    lagMs: () => {
      applyWhatIsDue();
      return clock.monotonic() - Math.max(renewedAt, createdAt);
    },
    applied: () => {
      applyWhatIsDue();
      // guard: applied-revision-waits-for-a-change-of-everything
      const last = putOff === null ? { seq: applied, takenAt } : putOff.before;
      return { epoch: withDataSource(history), seq: last.seq, takenAt: last.takenAt };
    },
    setDataSource: (id) => {
      // guard: data-source-found-later
      dataSource = id;
      epoch = withDataSource(numbering);
    },
    begin: (newNumbering, newLowWaterMark, newTakenAt = null, newHistory = newNumbering) => {
      numbering = newNumbering;
      history = newHistory;
      epoch = withDataSource(numbering);
      applied = newLowWaterMark;
      takenAt = newTakenAt;
      lowWaterMark = newLowWaterMark;
      renewedAt = Number.NEGATIVE_INFINITY;
      // The changes that were put off belong to another numbering, and nothing from before it is current any more.
      putOff = null;
      renewalPutOff = Number.NEGATIVE_INFINITY;
      users = createIndex();
      organizations = createIndex();
      pairs = createIndex();
    },
    skipTo: (seq, newTakenAt = null) => {
      applyWhatIsDue();
      // guard: low-water-mark-at-a-gap
      raiseLowWaterMark(seq);
      if (putOff !== null && putOff.last <= seq) makeEverythingStale(seq, clock.monotonic());
      if (seq <= applied) return;
      applied = seq;
      takenAt = newTakenAt;
    },
    apply: (seq, change, newTakenAt = null) => {
      applyWhatIsDue();
      if (change !== null) {
        const now = clock.monotonic();
        if (change.kind === 'everything') changeEverything(seq, now);
        else if (change.kind === 'pair') pairs.record(pairOf(change.userId, change.organizationId), seq, now);
        else if (change.kind === 'user') users.record(bare(change.userId), seq, now);
        else organizations.record(bare(change.organizationId), seq, now);
      }
      applied = seq;
      takenAt = newTakenAt;
    },
    renewLease: (monotonicMs) => {
      applyWhatIsDue();
      // Without a numbering there are no events by which entries could be judged.
      if (numbering === '') return;
      // A change that is put off is not in force yet: a lease that covers it would let older entries answer.
      // guard: lease-waits-for-a-change-of-everything
      if (putOff !== null) renewalPutOff = Math.max(renewalPutOff, monotonicMs);
      else if (monotonicMs > renewedAt) renewedAt = monotonicMs;
    },
  };

  function createIndex(): InvalidationIndex {
    return createInvalidationIndex({
      rememberMs,
      max: maxRemembered,
      // guard: low-water-mark-at-a-forgotten-change
      onForget: raiseLowWaterMark,
    });
  }

  /** Forgetting the change of number n keeps the promise only if nothing below n is trusted any more. */
  function raiseLowWaterMark(seq: number): void {
    if (seq > lowWaterMark) lowWaterMark = seq;
  }

  function withDataSource(name: string): string {
    // guard: data-source-in-the-epoch
    return dataSource === '' ? name : `${name}@${dataSource}`;
  }

  function changeEverything(seq: number, now: number): void {
    if (putOff !== null) putOff.last = seq;
    else if (now - emptiedAt >= minEmptyingIntervalMs) makeEverythingStale(seq, now);
    else putOff = { before: { seq: applied, takenAt }, last: seq, dueAt: emptiedAt + minEmptyingIntervalMs };
  }

  function makeEverythingStale(seq: number, now: number): void {
    raiseLowWaterMark(seq);
    emptiedAt = now;
    putOff = null;
    if (renewalPutOff > renewedAt) renewedAt = renewalPutOff;
  }

  /** Every operation calls this first, so that a change takes effect in time without a timer, which could be late. */
  function applyWhatIsDue(): void {
    if (putOff === null) return;
    const now = clock.monotonic();
    if (now >= putOff.dueAt) makeEverythingStale(putOff.last, now);
  }
}

/** Freshness for a service without NATS: the TTL alone bounds the age of entries, and processes share them. */
export function createTtlFreshness(clock: Clock): FreshnessTracker {
  const forever = Number.POSITIVE_INFINITY;
  const tracker = createFreshnessTracker({ clock, leaseMs: forever, rememberMs: 0, maxRemembered: 0 });
  tracker.begin('ttl', 0);
  tracker.renewLease(clock.monotonic());
  // There is no stream to be behind.
  return Object.assign(tracker, { lagMs: () => 0 });
}

/** A bounded memory of the last change of each subject. */
export interface InvalidationIndex {
  /** The number of the subject's last remembered change; 0 when no change is remembered. */
  latest(subject: string): number;
  /** Records a change. Numbers only grow. */
  record(subject: string, seq: number, nowMs: number): void;
}

export interface InvalidationIndexOptions {
  readonly rememberMs: number;
  readonly max: number;
  /** Called with the number of each change that is forgotten, because of its age or for lack of room. */
  readonly onForget: (seq: number) => void;
}

/** Creates an empty index. A Map iterates in the order of insertion, so its first entry is the oldest change. */
export function createInvalidationIndex({ rememberMs, max, onForget }: InvalidationIndexOptions): InvalidationIndex {
  const bySubject = new Map<string, { readonly seq: number; readonly at: number }>();

  return {
    latest: (subject) => bySubject.get(subject)?.seq ?? 0,
    record: (subject, seq, nowMs) => {
      // Deleted first, so that the subject moves to the end.
      bySubject.delete(subject);
      bySubject.set(subject, { seq, at: nowMs });
      forgetOldest(nowMs);
    },
  };

  function forgetOldest(nowMs: number): void {
    for (const [subject, { seq, at }] of bySubject) {
      if (bySubject.size <= max && nowMs - at <= rememberMs) return;
      bySubject.delete(subject);
      onForget(seq);
    }
  }
}

/**
 * The form of an id in the index: without blanks at its end. In a column of `char(n)` two ids that differ only in these are
 * equal, and an event may name the other one. Where they are different ids, a change of one costs the other a read.
 */
function bare(id: string): string {
  return id.endsWith(' ') ? id.trimEnd() : id;
}

function pairOf(userId: string, organizationId: string): string {
  return memoryKey(bare(userId), bare(organizationId));
}
