/** The guards of the protocol, each as the edit that removes it. */
import type { Edit } from './mutated.ts';

export interface Guard {
  readonly name: string;
  readonly without: readonly Edit[];
}

const edit =
  (file: string) =>
  (from: string, to: string): Edit => ({ file, from, to });
const cache = edit('cache/facts-cache.ts');
const redis = edit('cache/redis-facts.ts');
const flights = edit('cache/flights.ts');
const positions = edit('cache/positions.ts');
const entry = edit('cache/entry.ts');
const session = edit('events/stream-session.ts');
const plan = edit('events/stream-position.ts');
const core = edit('events/core-session.ts');
const listener = edit('events/listener.ts');

const whenJoining = flights(
  'joinableMs &&\n      positions.current(flight.stamp, key.userId, key.organizationId);',
  'joinableMs;',
);
const whenItLands = flights(
  'if (!joined || positions.current(loaded.stamp, key.userId, key.organizationId)) return loaded;',
  'if (joined || !joined) return loaded;',
);
const landing = cache(
  'if (!positions.hearing() || !positions.current(loaded.stamp, key.userId, key.organizationId)) return loaded;',
  '',
);
const storing = redis(
  'if (lifeMs > 0 && positions.current(loaded.stamp, key.userId, key.organizationId)) {',
  'if (lifeMs > 0) {',
);
const otherStream = plan(
  "if (position.stream !== identity(info)) return 'anew';",
  "if (position.stream === '') return 'anew';",
);
const connectedIdentity = session(
  "if (identity(now) !== identity(info)) throw new Error('the stream was created anew');",
  '',
);
const history = session("if (begun && wentBack(before, now)) throw new Error('the stream went back');", '');
const sameNumber = plan(
  "return position.takenAt !== null && lastTakenAt(info) === position.takenAt ? 'resume' : 'rolled back';",
  "return 'resume';",
);
const laterNumber = plan("return found === position.takenAt ? 'resume' : 'rolled back';", "return 'resume';");

/**
 * Without any one of these the promise is broken, and the seeds show how. Three more take too much to coincide, and have
 * tests of their own: the moment of a proof, and of the message last heard where there are later ones
 * (test/events/stream-history.test.ts), and a load's own bound (test/cache/flights.test.ts).
 */
export const loadBearing: readonly Guard[] = [
  {
    name: 'the predicate on memory',
    without: [cache('positions.current(entry.stamp, key.userId, key.organizationId);\n', 'true;\n')],
  },
  {
    name: 'the predicate on Redis',
    without: [redis(' && positions.current(entry.stamp, userId, organizationId);', ';')],
  },
  {
    name: 'the stamp before the load',
    without: [
      redis(
        'const loaded = await next.load(key, stamp, signal);',
        'const loaded = { ...(await next.load(key, stamp, signal)), stamp: positions.stamp() };',
      ),
    ],
  },
  {
    name: 'the floor at the start',
    without: [session('UUID()}`, floor, takenAt', 'UUID()}`, 0, takenAt')],
  },
  {
    name: 'the floor at a gap',
    without: [positions('settle();\n      raiseFloor(seq);', 'settle();')],
  },
  {
    name: 'the floor at a gap between two messages',
    without: [session('if (streamSeq > position.applied + 1) sink.skipTo(streamSeq - 1, null);', '')],
  },
  {
    name: 'the floor at a gap that no message shows',
    without: [
      session(
        'position.applied + 1) skipTo(now.state.first_seq - 1, now);',
        'position.applied + 1) moveTo(now.state.first_seq - 1, null);',
      ),
    ],
  },
  {
    name: 'the lease on hearing',
    without: [positions('return clock.monotonic() - heardAt < leaseMs', 'return heardAt > Number.NEGATIVE_INFINITY')],
  },
  {
    name: 'a proof only of what was applied',
    without: [
      session(
        'if (begun && awaited !== null && position.applied >= awaited.seq) {',
        'if (begun && awaited !== null) {',
      ),
    ],
  },
  {
    name: 'the position that waits for a change of everything',
    without: [
      positions('waiting === null ? { seq: applied, takenAt }', 'waiting !== undefined ? { seq: applied, takenAt }'),
    ],
  },
  {
    name: 'the proof that waits for it',
    without: [positions('if (waiting !== null) proofAt =', 'if (stream === null) proofAt =')],
  },
  {
    name: 'the age of a load that a stale process joins',
    without: [cache('joinableMs: leaseMs', 'joinableMs: Number.POSITIVE_INFINITY')],
  },
  { name: 'the check when joining a flight together with the one when it lands', without: [whenJoining, whenItLands] },
  {
    name: 'the floor at a change that is forgotten',
    without: [positions('onForget: raiseFloor', 'onForget: () => {}')],
  },
  { name: 'the epoch', without: [positions('of === epoch &&\n', '')] },
  {
    name: 'the tables in the epoch',
    without: [positions("origin === '' ? name :", "origin !== 'none' ? name :")],
  },
  {
    name: 'the tables that a process finds later',
    without: [positions('origin = newOrigin;', "if (origin === '') origin = newOrigin;")],
  },
  {
    name: 'the code over the key of an entry in Redis',
    without: [
      entry(
        'if (!mac.verify(signed(name, text.slice(coveredAt)), text.slice(HEAD.length, coveredAt))) return null;',
        '',
      ),
    ],
  },
  {
    name: 'the doubt about an entry from the future',
    without: [entry('if (readAt > now + MAX_CLOCK_SKEW_MS) return 0;', '')],
  },
  // Where something was heard of it, the moments of its messages tell streams apart as well.
  { name: 'the identity of the stream when a session begins', without: [otherStream] },
  { name: 'that and the moments', without: [otherStream, sameNumber, laterNumber] },
  { name: 'the identity of the stream while connected', without: [connectedIdentity] },
  { name: 'its history while connected', without: [history] },
  {
    name: 'in it, the moment of the last message',
    without: [plan(' || (last_seq === applied && takenAt !== null && lastTakenAt(info) !== takenAt);', ';')],
  },
  {
    name: 'a number below the last one heard',
    without: [plan("if (last_seq < position.applied) return 'rolled back';", '')],
  },
  { name: 'the moment of the last message, where its number is the last one heard', without: [sameNumber] },
  {
    name: 'the gap where the message last heard is gone',
    without: [
      session(
        "if (plan === 'gap') skipTo(info.state.last_seq, info);\n  else skipWhatIsGone(info);",
        'skipWhatIsGone(info);',
      ),
    ],
  },
  {
    name: 'the epoch of a history that was rolled back',
    without: [session("plan === 'anew' ? history", 'plan !== null ? identity(info)')],
  },
  {
    name: 'the mode as a setting: core NATS in place of a stream that nobody answers for',
    without: [
      listener(
        'await listenToStream(common, position);',
        `await listenToStream(common, position).catch((error) =>
        error.code === ErrorCode.NoResponders ? listenToCore(common) : Promise.reject(error),
      );`,
      ),
    ],
  },
  {
    name: 'an epoch for each subscription of core NATS',
    without: [core('const epoch = `core:', 'const epoch = `core` || `')],
  },
  {
    name: 'the age of entries in Redis',
    without: [redis("if (remainingLife(entry, ttlMs, clock.now()) <= 0) return refused('expired');", '')],
  },
  { name: 'the age of entries in memory', without: [cache('clock.monotonic() < entry.expiresAt &&\n', '')] },
  {
    name: 'the age that an entry brings into memory',
    without: [cache('const life = remainingLife(loaded, ttlMs, clock.now());', 'const life = ttlMs;')],
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
  {
    name: 'keeping the newer of two reads',
    without: [cache('if (answers(known, key) && known.readAt > loaded.readAt) return loaded;\n', '')],
  },
  {
    name: "deleting a pair's Redis key, for other readers of it",
    without: [redis("if (change?.kind === 'pair') store.delete(redisKey(change));\n", '')],
  },
  {
    name: 'listening anew to messages that were lost on the way, where the gap would raise the floor',
    without: [
      session(
        `if (delivery.consumerSeq !== deliveries) {
      failed.abort(new Error('messages were lost on the way'));
      return;
    }
`,
        '',
      ),
    ],
  },
  {
    name: 'looking for messages that are gone: without it there is no proof, and no cache',
    without: [
      session(
        'if (begun && now.state.first_seq > position.applied + 1) skipTo(',
        'if (now.state.first_seq < 0) skipTo(',
      ),
    ],
  },
  {
    name: 'leaving a consumer that stopped delivering: without it there is no proof, and no cache',
    without: [session("throw new Error('the consumer stopped delivering');", '')],
  },
];
