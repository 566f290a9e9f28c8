/**
 * Scripts in which faults and changes of one pair and process come close together, in orders that are known to be dangerous.
 * The events that have to coincide for a stale answer seldom do so by chance alone.
 */
import fc from 'fast-check';
import type { Subject } from '../../../support/facts/model.ts';
import { type Action, anything, DAY_MS, KEYS, type ReplicaName, type Script, TTLS_OF_B, weighted } from './script.ts';

type Part = fc.Arbitrary<readonly Action[]>;

const [key = { userId: 'u', organizationId: 'o' }, otherKey = key] = KEYS;
const one = (action: Action): Part => fc.constant([action]);
const read = (replica: ReplicaName): Part => one({ kind: 'read', replica, key, full: false });
const at = (kind: 'restart' | 'cut' | 'stall' | 'lose message' | 'lose consumer', replica: ReplicaName = 'A'): Part =>
  one({ kind, replica });
const all = (kind: 'purge' | 'expire' | 'delete stream' | 'mix redis'): Part => one({ kind });
const some = (kind: 'remove' | 'roll back stream' | 'restore stream' | 'restore redis'): Part =>
  fc.integer({ min: 1, max: 2 }).map((count) => [{ kind, count }]);
const isolate = (isolated: boolean): Part => one({ kind: 'isolate', replica: 'A', isolated });
const time = (...choices: readonly number[]): Part => fc.constantFrom(...choices).map((ms) => [{ kind: 'time', ms }]);
const maybe = (part: Part): Part => fc.oneof(fc.constant([]), part);
const either = (...parts: readonly Part[]): Part => fc.oneof(...parts);
const inOrder = (...parts: readonly Part[]): Part => fc.tuple(...parts).map((lists) => lists.flat());

const rest: Part = one({ kind: 'rest', steps: 60 });
/** A moment in the middle of other steps. */
const moment: Part = fc.integer({ min: 0, max: 12 }).map((steps) => [{ kind: 'rest', steps }]);
const instant: Part = fc.integer({ min: 0, max: 3 }).map((steps) => [{ kind: 'rest', steps }]);
const breath: Part = fc.constantFrom<(readonly Action[])[]>(
  [],
  [{ kind: 'rest', steps: 3 }],
  [{ kind: 'rest', steps: 60 }],
);
/** Time for every process to reconnect, replay and renew its lease. */
const meanwhile = (...choices: readonly number[]): Part =>
  fc.constantFrom(...choices).map((quarters) =>
    Array.from({ length: quarters }, (): readonly Action[] => [
      { kind: 'time', ms: 250 },
      { kind: 'rest', steps: 25 },
    ]).flat(),
  );
const change = (...subjects: readonly Subject[]): Part =>
  fc.constantFrom(...subjects).map((subject) => [{ kind: 'change', subject, unreadable: false }]);
/** Changes with malformed events: each makes everything stale. */
const unreadable: Part = fc
  .constantFrom<Subject[]>('u:u', 'o:o', 'p:u:o')
  .map((subject) => [{ kind: 'change', subject, unreadable: true }]);
const resync: Part = one({ kind: 'resync' });
const changes = (max: number): Part =>
  fc
    .array(change('u:u', 'o:o', 'p:u:o', 'u:v', 'p:v:o'), { minLength: 1, maxLength: max })
    .map((lists) => lists.flat());
const stream: Part = either(
  all('purge'),
  all('expire'),
  all('delete stream'),
  some('remove'),
  some('roll back stream'),
);
const away: Part = either(at('stall'), at('cut'), at('lose consumer'));
/** Both processes have cached facts and have applied a few events. */
const before: Part = inOrder(maybe(changes(2)), rest, read('A'), breath, maybe(read('B')), breath);
const asked: Part = either(inOrder(read('A'), breath, read('B')), inOrder(read('B'), breath, read('A')));
/** At once, and at a time when every published event must be applied. */
const after: Part = inOrder(asked, meanwhile(0, 8, 10), asked);

/** Each with its weight: a story that needs many coincidences is picked more often. */
const stories: readonly (readonly [weight: number, story: Part])[] = [
  // A process starts after messages that it should have applied are gone.
  [
    4,
    inOrder(
      before,
      changes(2),
      breath,
      either(all('purge'), all('expire')),
      maybe(some('restore redis')),
      at('restart', 'B'),
      maybe(some('restore redis')),
      meanwhile(2, 3),
    ),
  ],
  // The stream changes while a process is away.
  [7, inOrder(before, away, maybe(stream), breath, changes(3), breath, maybe(stream), meanwhile(2, 4, 9))],
  [
    2,
    inOrder(
      changes(2),
      before,
      either(at('cut'), at('stall')),
      some('roll back stream'),
      meanwhile(2, 4),
      changes(2),
      breath,
    ),
  ],
  // No process is disconnected, and as many messages arrive as were lost.
  [
    1,
    inOrder(
      changes(2),
      before,
      some('restore stream'),
      change('u:u', 'o:o', 'p:u:o'),
      maybe(change('u:u', 'o:o', 'p:u:o')),
      meanwhile(2),
    ),
  ],
  // The server of a process has lost its route to the stream, and goes on answering pings.
  [
    1,
    inOrder(
      before,
      isolate(true),
      meanwhile(2, 4, 9),
      asked,
      rest,
      changes(2),
      rest,
      meanwhile(9, 10),
      asked,
      isolate(false),
      meanwhile(4),
    ),
  ],
  // Such a process has a long read, and the data changes meanwhile.
  [
    4,
    inOrder(
      before,
      isolate(true),
      meanwhile(9),
      read('A'),
      instant,
      change('u:u', 'o:o', 'p:u:o'),
      instant,
      time(2_100),
      instant,
      read('A'),
      moment,
    ),
  ],
  // Everything becomes stale twice in quick succession, also in a process that applies both events late.
  [1, inOrder(before, resync, rest, asked, rest, unreadable, rest, asked, moment, time(250, 500), asked)],
  [
    2,
    inOrder(
      before,
      isolate(true),
      resync,
      rest,
      read('B'),
      rest,
      unreadable,
      rest,
      meanwhile(7, 8),
      isolate(false),
      meanwhile(1, 2),
      read('A'),
      moment,
    ),
  ],
  // Messages are gone before their delivery.
  [
    6,
    inOrder(before, changes(1), moment, either(some('remove'), all('purge')), moment, change('u:v', 'p:v:o'), breath),
  ],
  // Another stream takes the place of the one whose messages were applied.
  [
    5,
    inOrder(
      before,
      maybe(at('stall')),
      all('delete stream'),
      either(at('restart', 'B'), meanwhile(1, 2, 3)),
      rest,
      changes(3),
      moment,
      meanwhile(0, 1, 2, 5, 7),
    ),
  ],
  [1, inOrder(rest, read('A'), at('cut'), changes(3), breath, all('delete stream'), meanwhile(9, 12))],
  [4, inOrder(rest, read('A'), at('cut'), change('u:u', 'o:o'), instant, all('delete stream'), meanwhile(9))],
  // A session ends in the middle of finding a stream.
  [
    1,
    inOrder(
      before,
      all('delete stream'),
      meanwhile(1, 2),
      time(250),
      moment,
      either(at('stall'), at('cut')),
      meanwhile(5, 7),
      changes(2),
      meanwhile(1, 2),
    ),
  ],
  // The last applied message is gone from a stream that was rolled back.
  [
    2,
    inOrder(
      change('u:u', 'o:o', 'p:u:o'),
      before,
      at('cut'),
      some('roll back stream'),
      change('u:u', 'o:o', 'p:u:o'),
      change('u:v', 'p:v:o'),
      maybe(change('u:v', 'p:v:o')),
      instant,
      rest,
      some('remove'),
      meanwhile(3, 5),
    ),
  ],
  // The data changes during a read.
  [7, inOrder(rest, read('A'), instant, changes(1), moment, read('A'), instant, read('A'), moment)],
  // A ban ends, and time passes.
  [
    2,
    inOrder(
      fc.constantFrom(300, 3_000).map((ms): readonly Action[] => [{ kind: 'ban', userId: 'u', ms }]),
      rest,
      read('A'),
      moment,
      time(250, 500, 2_500, 150_000),
      read('B'),
      breath,
      meanwhile(1, 3),
      time(250, 500, 150_000),
      breath,
    ),
  ],
  // Redis returns the entry of another key.
  [
    1,
    inOrder(
      before,
      one({ kind: 'read', replica: 'A', key: otherKey, full: false }),
      rest,
      all('mix redis'),
      at('restart', 'B'),
      meanwhile(2, 3),
    ),
  ],
  // The tables change, and the clock of another process is a day ahead.
  [
    1,
    inOrder(
      before,
      one({ kind: 'migrate' }),
      changes(2),
      breath,
      asked,
      moment,
      one({ kind: 'look', replica: 'A' }),
      maybe(one({ kind: 'look', replica: 'B' })),
      rest,
    ),
  ],
  [
    1,
    inOrder(
      one({ kind: 'clock', replica: 'B', ahead: DAY_MS }),
      rest,
      read('B'),
      rest,
      time(150_000),
      meanwhile(2),
      time(150_000),
      time(10_000),
      meanwhile(3),
    ),
  ],
  // An answer of the server is late.
  [
    6,
    inOrder(
      before,
      time(500),
      instant,
      change('u:u', 'o:o', 'p:u:o'),
      instant,
      time(900),
      instant,
      at('stall'),
      time(1_900),
    ),
  ],
];

/** For processes on core NATS: the facts that one of them reads are of no use to the other. */
const onCore: Part = inOrder(
  meanwhile(4),
  asked,
  rest,
  change('u:u', 'o:o'),
  rest,
  at('cut', 'B'),
  meanwhile(4),
  read('B'),
);

const tell = (mode: Script['mode'], story: Part): fc.Arbitrary<Script> =>
  fc.record({
    actions: inOrder(story, after),
    history: fc.constantFrom(0, 0, 1, 2),
    slowness: weighted<readonly number[]>(
      [2, fc.constant([0])],
      [1, fc.array(fc.constantFrom(0, 0, 1, 4), { minLength: 1, maxLength: 11 })],
    ),
    remembered: fc.constant(1_000),
    ttlOfB: TTLS_OF_B,
    mode: fc.constant(mode),
  });
const told = weighted([50, tell('stream', weighted(...stories))], [1, tell('core', onCore)]);

export const script: fc.Arbitrary<Script> = weighted([1, anything], [3, told]);
