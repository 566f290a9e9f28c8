/** The actions of one run. The scheduler decides their order. */
import fc from 'fast-check';
import type { FactsKey } from '../../../../src/policy/facts.ts';
import type { Subject } from '../../../support/facts/model.ts';

export const REPLICAS = ['A', 'B'] as const;
export type ReplicaName = (typeof REPLICAS)[number];
/** Another deployment, with its own tables, on the same Redis and stream and with the same secret. */
export const NEIGHBOUR = 'N';
/** Few pairs, so that actions concern the same pair: two users in one organization, and one of them on the platform. */
export const KEYS: readonly FactsKey[] = [
  { userId: 'u', organizationId: 'o' },
  { userId: 'v', organizationId: 'o' },
  { userId: 'u', organizationId: null },
];

export interface Read {
  readonly kind: 'read';
  readonly replica: ReplicaName | typeof NEIGHBOUR;
  readonly key: FactsKey;
  readonly full: boolean;
}

export type Change =
  /** A commit and its event. `unreadable`: the event lacks its ids. */
  | { readonly kind: 'change'; readonly subject: Subject; readonly unreadable: boolean }
  | { readonly kind: 'ban'; readonly userId: string; readonly ms: number }
  /** A commit whose event is never published. */
  | { readonly kind: 'silent change'; readonly subject: Subject }
  | { readonly kind: 'resync' }
  /** The tables change, and a process notices it some time later. */
  | { readonly kind: 'migrate' }
  | { readonly kind: 'look'; readonly replica: ReplicaName };

export type Fault =
  | { readonly kind: 'restart' | 'cut' | 'stall' | 'lose message' | 'lose consumer'; readonly replica: ReplicaName }
  | { readonly kind: 'purge' | 'expire' | 'delete stream' | 'flush redis' | 'mix redis' }
  | {
      readonly kind: 'remove' | 'roll back stream' | 'restore stream' | 'restore redis' | 'evict' | 'fail loads';
      readonly count: number;
    }
  | { readonly kind: 'redis away'; readonly away: boolean }
  /** The server of a process loses its route to the stream, or finds it again. */
  | { readonly kind: 'isolate'; readonly replica: ReplicaName; readonly isolated: boolean }
  /** The wall clock of a process is set, so far ahead of the other clocks. */
  | { readonly kind: 'clock'; readonly replica: ReplicaName; readonly ahead: number };

export interface Time {
  readonly kind: 'time';
  readonly ms: number;
}

/** Nothing begins before this many other steps. */
export interface Rest {
  readonly kind: 'rest';
  readonly steps: number;
}

export type Action = Read | Change | Fault | Time | Rest;

export interface Script {
  /** The actions, in the order in which they begin. The scheduler decides when each goes on and ends. */
  readonly actions: readonly Action[];
  /** How many events about other users the stream took before. */
  readonly history: number;
  /** How slow each message is, in turn. */
  readonly slowness: readonly number[];
  /** How many changes of a kind a process remembers. */
  readonly remembered: number;
  /** The TTL of B; that of A is longer. */
  readonly ttlOfB: number;
  /** The source of events that the processes are configured with. */
  readonly mode: 'stream' | 'core';
}

/** A difference that the clocks of two machines may have, and one that is too large. */
export const SKEW_MS = 4_000;
export const DAY_MS = 86_400_000;
export const TTLS_OF_B = fc.constantFrom(150_000, 300_000);

const replica = fc.constantFrom(...REPLICAS);
const subject = fc.constantFrom<Subject[]>('u:u', 'u:v', 'o:o', 'p:u:o', 'p:v:o');
const count = fc.integer({ min: 1, max: 3 });
/** Picks one of several arbitraries by weight. */
export const weighted = <Value>(...options: readonly (readonly [number, fc.Arbitrary<Value>])[]): fc.Arbitrary<Value> =>
  fc.oneof(...options.map(([weight, arbitrary]) => ({ weight, arbitrary })));

const read: fc.Arbitrary<Action> = fc.record({
  kind: fc.constant('read'),
  replica: weighted<Read['replica']>([30, replica], [1, fc.constant(NEIGHBOUR)]),
  key: fc.constantFrom(...KEYS),
  full: weighted([15, fc.constant(false)], [1, fc.constant(true)]),
});
const change = weighted<Action>(
  [10, fc.record({ kind: fc.constant('change'), subject, unreadable: fc.constant(false) })],
  [1, fc.record({ kind: fc.constant('change'), subject, unreadable: fc.constant(true) })],
  [
    1,
    fc.record({
      kind: fc.constant('ban'),
      userId: fc.constantFrom('u', 'v'),
      ms: fc.constantFrom(300, 3_000, 100_000),
    }),
  ],
  [1, fc.record({ kind: fc.constant('silent change'), subject })],
  [1, fc.record({ kind: fc.constantFrom('resync', 'migrate') })],
  [1, fc.record({ kind: fc.constant('look'), replica })],
);
const fault = weighted<Action>(
  [2, fc.record({ kind: fc.constant('restart'), replica })],
  [2, fc.record({ kind: fc.constant('cut'), replica })],
  [2, fc.record({ kind: fc.constant('stall'), replica })],
  [1, fc.record({ kind: fc.constantFrom('lose message', 'lose consumer'), replica })],
  [2, fc.record({ kind: fc.constant('purge') })],
  [1, fc.record({ kind: fc.constantFrom('expire', 'delete stream', 'flush redis', 'mix redis') })],
  [2, fc.record({ kind: fc.constant('restore redis'), count })],
  [
    1,
    fc.record({ kind: fc.constantFrom('remove', 'roll back stream', 'restore stream', 'evict', 'fail loads'), count }),
  ],
  [1, fc.record({ kind: fc.constant('redis away'), away: fc.boolean() })],
  [1, fc.record({ kind: fc.constant('isolate'), replica, isolated: fc.boolean() })],
  [1, fc.record({ kind: fc.constant('clock'), replica, ahead: fc.constantFrom(0, SKEW_MS, DAY_MS) })],
);
const time: fc.Arbitrary<Action> = fc.record({
  kind: fc.constant('time'),
  ms: weighted(
    [20, fc.constantFrom(10, 100, 250, 500)],
    [2, fc.constantFrom(1_200, 2_500)],
    [1, fc.constantFrom(150_000, 300_000)],
  ),
});

/** Any actions, in any order. */
export const anything: fc.Arbitrary<Script> = fc.record({
  actions: fc.array(weighted([12, read], [4, time], [2, change], [1, fault]), { maxLength: 80, size: 'max' }),
  history: fc.integer({ min: 0, max: 5 }),
  slowness: fc.array(weighted([5, fc.constant(0)], [3, fc.constantFrom(1, 4, 10)]), {
    minLength: 1,
    maxLength: 17,
    size: 'max',
  }),
  remembered: fc.constantFrom(1, 1_000),
  ttlOfB: TTLS_OF_B,
  mode: weighted<Script['mode']>([12, fc.constant('stream')], [1, fc.constant('core')]),
});

export const describeAction = (action: Action): string =>
  action.kind === 'read'
    ? `${action.replica} is asked for ${action.key.userId}/${action.key.organizationId ?? '-'}${action.full ? ' in full' : ''}`
    : Object.values(action).join(' ');
