/** The guards of the protocol, each as the edits that remove it: a marker in the source, and the code in its place. */
import { by, condition, type Edit, removed, value } from '../../../support/mutated.ts';

export interface Guard {
  readonly name: string;
  readonly without: readonly Edit[];
}

const whenJoining: Edit = { guard: 'current-when-a-load-is-joined', to: by('true') };
const whenItLands: Edit = { guard: 'current-when-a-joined-load-ends', to: condition('joined || !joined') };
const landing: Edit = { guard: 'fill-memory-only-with-current-facts', to: removed };
const storing: Edit = { guard: 'fill-redis-only-with-current-facts', to: by('true') };
const otherStream: Edit = { guard: 'same-stream-when-a-session-begins', to: condition("position.stream === ''") };
const sameNumber: Edit = { guard: 'moment-of-the-last-message-at-the-same-number', to: value(() => "'resume'") };
const laterNumber: Edit = { guard: 'moment-of-the-last-message-at-a-later-number', to: value(() => "'resume'") };

/**
 * Without any one of these the promise is broken, and the seeds show how. Three more take too much to coincide, and have
 * tests of their own: the moment of a proof, and of the message last heard where there are later ones
 * (test/integration/invalidation/stream-history.test.ts), and a load's own bound (test/unit/facts/flights.test.ts).
 */
export const loadBearing: readonly Guard[] = [
  { name: 'the predicate on memory', without: [{ guard: 'predicate-on-memory', to: by('true') }] },
  { name: 'the predicate on Redis', without: [{ guard: 'predicate-on-redis', to: by('true') }] },
  {
    name: 'the stamp before the load',
    without: [{ guard: 'stamp-before-the-load', to: value((load) => `{ ...(${load}), stamp: positions.stamp() }`) }],
  },
  { name: 'the floor at the start', without: [{ guard: 'floor-at-the-start', to: by('0') }] },
  { name: 'the floor at a gap', without: [{ guard: 'floor-at-a-gap', to: removed }] },
  { name: 'the floor at a gap between two messages', without: [{ guard: 'gap-between-two-messages', to: removed }] },
  {
    name: 'the floor at a gap that no message shows',
    without: [{ guard: 'floor-at-messages-that-are-gone', to: by('moveTo(now.state.first_seq - 1, null)') }],
  },
  {
    name: 'the lease on hearing',
    without: [{ guard: 'lease', to: value(() => 'heardAt > Number.NEGATIVE_INFINITY') }],
  },
  { name: 'a proof only of what was applied', without: [{ guard: 'proof-only-of-applied-messages', to: by('true') }] },
  {
    name: 'the position that waits for a change of everything',
    without: [{ guard: 'revision-waits-for-a-change-of-everything', to: value(() => '{ seq: applied, takenAt }') }],
  },
  {
    name: 'the proof that waits for it',
    without: [{ guard: 'proof-waits-for-a-change-of-everything', to: condition('stream === null') }],
  },
  {
    name: 'the age of a load that a stale process joins',
    without: [{ guard: 'age-of-a-load-that-a-stale-process-joins', to: value(() => 'Number.POSITIVE_INFINITY') }],
  },
  { name: 'the check when joining a flight together with the one when it lands', without: [whenJoining, whenItLands] },
  {
    name: 'the floor at a change that is forgotten',
    without: [{ guard: 'floor-at-a-forgotten-change', to: value(() => '() => {}') }],
  },
  { name: 'the epoch', without: [{ guard: 'epoch', to: by('true') }] },
  { name: 'the tables in the epoch', without: [{ guard: 'data-source-in-the-epoch', to: value(() => 'name') }] },
  {
    name: 'the tables that a process finds later',
    without: [{ guard: 'data-source-found-later', to: (code) => `if (origin === '') ${code}` }],
  },
  {
    name: 'the code over the key of an entry in Redis',
    without: [{ guard: 'mac-over-the-name-of-a-redis-entry', to: removed }],
  },
  { name: 'the doubt about an entry from the future', without: [{ guard: 'entry-from-the-future', to: removed }] },
  // Where something was heard of it, the moments of its messages tell streams apart as well.
  { name: 'the identity of the stream when a session begins', without: [otherStream] },
  { name: 'that and the moments', without: [otherStream, sameNumber, laterNumber] },
  {
    name: 'the identity of the stream while connected',
    without: [{ guard: 'same-stream-while-connected', to: removed }],
  },
  { name: 'its history while connected', without: [{ guard: 'same-history-while-connected', to: removed }] },
  {
    name: 'in it, the moment of the last message',
    without: [{ guard: 'moment-of-the-last-message-while-connected', to: by('false') }],
  },
  { name: 'a number below the last one heard', without: [{ guard: 'number-below-the-last-one', to: removed }] },
  { name: 'the moment of the last message, where its number is the last one heard', without: [sameNumber] },
  {
    name: 'the gap where the message last heard is gone',
    without: [{ guard: 'gap-where-the-last-message-is-gone', to: condition('false') }],
  },
  {
    name: 'the epoch of a history that was rolled back',
    without: [{ guard: 'epoch-of-a-rolled-back-history', to: value(() => 'identity(info)') }],
  },
  {
    name: 'the mode as a setting: core NATS in place of a stream that nobody answers for',
    without: [
      {
        guard: 'mode-as-a-setting',
        to: value(
          (session) => `${session}.catch((error) =>
        error.code === ErrorCode.NoResponders ? listenToCore(common) : Promise.reject(error),
      )`,
        ),
      },
    ],
  },
  {
    name: 'an epoch for each subscription of core NATS',
    without: [{ guard: 'epoch-of-a-core-subscription', to: value(() => "'core'") }],
  },
  { name: 'the age of entries in Redis', without: [{ guard: 'age-in-redis', to: removed }] },
  { name: 'the age of entries in memory', without: [{ guard: 'age-in-memory', to: by('true') }] },
  {
    name: 'the age that an entry brings into memory',
    without: [{ guard: 'age-brought-into-memory', to: value(() => 'ttlMs') }],
  },
];

/** What looks like a guard and is none: without it something costs more, or others see less; no answer is stale. */
export const optimisations: readonly Guard[] = [
  // Either of the two alone is enough: a flight is current at its end only if it was when it was joined.
  { name: 'the check when joining a flight, alone', without: [whenJoining] },
  { name: 'the check when a flight lands, alone', without: [whenItLands] },
  { name: 'landing in memory only what is current', without: [landing] },
  { name: 'storing in Redis only what is current, for other readers of the key', without: [storing] },
  { name: 'both', without: [landing, storing] },
  { name: 'keeping the newer of two reads', without: [{ guard: 'keep-the-newer-read', to: removed }] },
  {
    name: "deleting a pair's Redis key, for other readers of it",
    without: [{ guard: 'delete-the-redis-key-of-a-changed-pair', to: removed }],
  },
  {
    name: 'listening anew to messages that were lost on the way, where the gap would raise the floor',
    without: [{ guard: 'consumer-sequence-without-holes', to: removed }],
  },
  {
    name: 'looking for messages that are gone: without it there is no proof, and no cache',
    without: [{ guard: 'look-for-messages-that-are-gone', to: condition('false') }],
  },
  {
    name: 'leaving a consumer that stopped delivering: without it there is no proof, and no cache',
    without: [{ guard: 'consumer-that-stopped-delivering', to: removed }],
  },
];
