/** The guards of the protocol, each with the edits that remove it: a marker in the source, and the code in its place. */
import { by, condition, type Edit, removed, value } from '../../../support/mutated.ts';

export interface Guard {
  readonly name: string;
  readonly without: readonly Edit[];
}

const whenJoining: Edit = { guard: 'current-when-a-load-is-joined', to: by('true') };
const whenItEnds: Edit = { guard: 'current-when-a-joined-load-ends', to: condition('joined || !joined') };
const fillingMemory: Edit = { guard: 'fill-memory-only-with-current-facts', to: removed };
const fillingRedis: Edit = { guard: 'fill-redis-only-with-current-facts', to: by('true') };
const otherStream: Edit = { guard: 'same-stream-when-a-session-begins', to: condition("point.stream === ''") };
const sameNumber: Edit = { guard: 'moment-of-the-last-message-at-the-same-number', to: value(() => "'resume'") };
const laterNumber: Edit = { guard: 'moment-of-the-last-message-at-a-later-number', to: value(() => "'resume'") };

/**
 * Without any one of these an answer breaks the promise, and the seeds find it. Three more guards need too many coincidences
 * for the simulation and have their own tests: the moment that a lease is counted from, the moment of the last applied
 * message where there are later ones (both in test/integration/invalidation/stream-history.test.ts), and the bound of a load
 * (test/unit/facts/single-flight.test.ts).
 */
export const loadBearing: readonly Guard[] = [
  {
    name: 'the check of entries in memory by the predicate',
    without: [{ guard: 'predicate-on-memory', to: by('true') }],
  },
  {
    name: 'the check of entries in Redis by the predicate',
    without: [{ guard: 'predicate-on-redis', to: by('true') }],
  },
  {
    name: 'the revision that is taken before the load',
    without: [
      { guard: 'revision-before-the-load', to: value((load) => `{ ...(${load}), revision: freshness.revision() }`) },
    ],
  },
  {
    name: 'the low-water mark at the start of a stream',
    without: [{ guard: 'low-water-mark-at-the-start', to: by('lowWaterMark: 0') }],
  },
  { name: 'the low-water mark at a gap', without: [{ guard: 'low-water-mark-at-a-gap', to: removed }] },
  {
    name: 'the low-water mark at a gap between two messages',
    without: [{ guard: 'gap-between-two-messages', to: removed }],
  },
  {
    name: 'the low-water mark at a gap that no message shows',
    without: [
      { guard: 'low-water-mark-at-messages-that-are-gone', to: by('moveTo(draft, stream.firstSeq - 1, null)') },
    ],
  },
  {
    name: 'the lease of the subscription',
    without: [{ guard: 'lease', to: value(() => 'renewedAt > Number.NEGATIVE_INFINITY') }],
  },
  {
    name: 'the lease renewal only for applied events',
    without: [{ guard: 'lease-needs-applied-messages', to: by('true') }],
  },
  {
    name: 'the applied revision that waits for a change of everything',
    without: [
      { guard: 'applied-revision-waits-for-a-change-of-everything', to: value(() => '{ seq: applied, takenAt }') },
    ],
  },
  {
    name: 'the lease renewal that waits for a change of everything',
    without: [{ guard: 'lease-waits-for-a-change-of-everything', to: condition('numbering === null') }],
  },
  {
    name: 'the bound on the age of a load that a stale process joins',
    without: [{ guard: 'age-of-a-load-that-a-stale-process-joins', to: value(() => 'Number.POSITIVE_INFINITY') }],
  },
  { name: 'both checks of a shared load, when it is joined and when it ends', without: [whenJoining, whenItEnds] },
  {
    name: 'the low-water mark at a forgotten change',
    without: [{ guard: 'low-water-mark-at-a-forgotten-change', to: value(() => '() => {}') }],
  },
  { name: 'the comparison of epochs', without: [{ guard: 'epoch', to: by('true') }] },
  { name: 'the data source in the epoch', without: [{ guard: 'data-source-in-the-epoch', to: value(() => 'name') }] },
  {
    name: 'the data source that a process finds later',
    without: [{ guard: 'data-source-found-later', to: (code) => `if (dataSource === '') ${code}` }],
  },
  {
    name: 'the MAC over the key of an entry in Redis',
    without: [{ guard: 'mac-over-the-name-of-a-redis-entry', to: removed }],
  },
  { name: 'the refusal of entries from the future', without: [{ guard: 'entry-from-the-future', to: removed }] },
  // Once a message of a stream was applied, the moments of its messages tell streams apart too.
  { name: 'the identity of the stream when a session begins', without: [otherStream] },
  {
    name: 'the identity of the stream and the moments of its messages',
    without: [otherStream, sameNumber, laterNumber],
  },
  {
    name: 'the identity of the stream while connected',
    without: [{ guard: 'same-stream-while-connected', to: removed }],
  },
  {
    name: 'the check of the history while connected',
    without: [{ guard: 'same-history-while-connected', to: removed }],
  },
  {
    name: 'the moment of the last message while connected',
    without: [{ guard: 'moment-of-the-last-message-while-connected', to: by('false') }],
  },
  {
    name: 'the check for a number below the last applied one',
    without: [{ guard: 'number-below-the-last-one', to: removed }],
  },
  { name: 'the moment of the last message at the same number', without: [sameNumber] },
  {
    name: 'the gap where the last applied message is gone',
    without: [{ guard: 'gap-where-the-last-message-is-gone', to: condition('false') }],
  },
  {
    name: 'the private epoch after a rollback',
    without: [{ guard: 'epoch-of-a-rolled-back-history', to: value(() => 'opened.identity') }],
  },
  {
    name: 'the mode as a setting, with core NATS in place of a stream without responders,',
    without: [
      {
        guard: 'mode-as-a-setting',
        to: value(
          (session) => `${session}.catch((error) =>
        error.code === ErrorCode.NoResponders ? followCore(common) : Promise.reject(error),
      )`,
        ),
      },
    ],
  },
  {
    name: 'an epoch for each subscription to core NATS',
    without: [{ guard: 'epoch-of-a-core-subscription', to: value(() => "'core'") }],
  },
  { name: 'the age of entries in Redis', without: [{ guard: 'age-in-redis', to: removed }] },
  { name: 'the age of entries in memory', without: [{ guard: 'age-in-memory', to: by('true') }] },
  {
    name: 'the age that an entry brings into memory',
    without: [{ guard: 'age-brought-into-memory', to: value(() => 'ttlMs') }],
  },
];

/** Checks that only save work, or serve other readers of Redis: without them no answer is stale. */
export const optimisations: readonly Guard[] = [
  // Either check is enough alone: a load is current at its end only if it was current when it was joined.
  { name: 'the check of a shared load when it is joined, alone,', without: [whenJoining] },
  { name: 'the check of a shared load when it ends, alone,', without: [whenItEnds] },
  { name: 'the check before memory is filled', without: [fillingMemory] },
  { name: 'the check before Redis is filled', without: [fillingRedis] },
  { name: 'the checks before memory and Redis are filled', without: [fillingMemory, fillingRedis] },
  { name: 'keeping the newer of two reads', without: [{ guard: 'keep-the-newer-read', to: removed }] },
  {
    name: "the deletion of a changed pair's Redis key",
    without: [{ guard: 'delete-the-redis-key-of-a-changed-pair', to: removed }],
  },
  {
    name: 'a new consumer after messages were lost on the way',
    without: [{ guard: 'consumer-sequence-without-holes', to: removed }],
  },
  {
    name: 'the search for messages that are gone',
    without: [{ guard: 'look-for-messages-that-are-gone', to: condition('false') }],
  },
  {
    name: 'the end of a consumer that stopped delivering',
    without: [{ guard: 'consumer-that-stopped-delivering', to: removed }],
  },
];
