/** What is broken when: made from the seed before anything runs. Pure. */
import { createRandom, type Random } from './random.ts';

/** The replicas of the service. */
export const REPLICAS = 3;

/** What a fault is done to; faults of one part never overlap. */
export type Part = 'replica' | 'redis' | 'nats' | 'postgres';

const KINDS = {
  'replica-kill': 'replica',
  'replica-stop': 'replica',
  'redis-kill-empty': 'redis',
  'redis-kill-snapshot': 'redis',
  'redis-stop': 'redis',
  'redis-evict': 'redis',
  'redis-link-cut': 'redis',
  'redis-link-delay': 'redis',
  'redis-link-half-open': 'redis',
  'redis-link-stop': 'redis',
  'nats-kill': 'nats',
  'nats-kill-empty': 'nats',
  'nats-stop': 'nats',
  'nats-stream-purge': 'nats',
  'nats-stream-delete': 'nats',
  'nats-link-cut': 'nats',
  'nats-link-delay': 'nats',
  'nats-link-half-open': 'nats',
  'nats-link-stop': 'nats',
  'postgres-kill': 'postgres',
  'postgres-stop': 'postgres',
  'postgres-link-cut': 'postgres',
  'postgres-link-delay': 'postgres',
  'postgres-link-half-open': 'postgres',
  'postgres-link-stop': 'postgres',
} as const satisfies Record<string, Part>;

export type FaultKind = keyof typeof KINDS;

export const faultKinds = Object.keys(KINDS) as readonly FaultKind[];
export const partOf = (kind: FaultKind): Part => KINDS[kind];

export interface PlannedFault {
  readonly kind: FaultKind;
  /** Milliseconds from the start of the run. */
  readonly at: number;
  readonly durationMs: number;
  /** Whose process or link; `all` for a server, and for the links of everybody. */
  readonly target: number | 'all';
  /** How long each chunk is held back, for the kinds that delay. */
  readonly delayMs: number;
}

/** The last seconds stay quiet, so that what was broken heals and the last changes are seen to be heard. */
const QUIET_MS = 3_000;
const FIRST_MS = 1_000;

/** One fault of each kind in a new order, some beginning before the one before has ended; from the time 0. */
const planRound = (random: Random): { readonly faults: readonly PlannedFault[]; readonly lengthMs: number } => {
  let at = 0;
  const faults = random.shuffled(faultKinds).map((kind): PlannedFault => {
    const durationMs = random.between(400, 2_600);
    const ofOne = kind.startsWith('replica') || (kind.includes('-link-') && random.next() < 0.7);
    const target = ofOne ? random.below(REPLICAS) : 'all';
    const fault = { kind, at, durationMs, target, delayMs: random.between(20, 250) } as const;
    at += durationMs * random.between(0.2, 1) + random.between(100, 700);
    return fault;
  });
  return { faults, lengthMs: Math.max(at, ...faults.map((fault) => fault.at + fault.durationMs)) };
};

/** Rounds of one fault of each kind until the end. A run that is too short for a whole round has shorter faults. */
export const planFaults = (seed: number, seconds: number): readonly PlannedFault[] => {
  const random = createRandom(seed);
  const roomMs = seconds * 1_000 - QUIET_MS - FIRST_MS;
  const plan: PlannedFault[] = [];
  let beganMs = 0;
  while (beganMs < roomMs) {
    const { faults, lengthMs } = planRound(random);
    const scale = beganMs === 0 ? Math.min(1, roomMs / lengthMs) : 1;
    for (const fault of faults) {
      const at = beganMs + fault.at * scale;
      // Shortened more than the time between them: healing takes as long as ever.
      const durationMs = fault.durationMs * scale ** 2;
      if (at + durationMs <= roomMs + 1) plan.push({ ...fault, at: FIRST_MS + at, durationMs });
    }
    beganMs += lengthMs * scale;
  }
  return plan;
};
