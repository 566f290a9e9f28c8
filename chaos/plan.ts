/** What is broken when: made from the seed before anything runs. Pure. */
import { createRandom, type Random } from './random.ts';
import type { Topology } from './topology.ts';

/** The replicas of the service. */
export const REPLICAS = 3;

/** What a fault is done to; faults of one part never overlap. */
export type Part = 'replica' | 'redis' | 'nats' | 'postgres';

/** `one`: a replica or a server; `link`: the link of a replica or of all replicas; `between`: the links between servers. */
type Aim = 'all' | 'one' | 'link' | 'between';

interface Kind {
  readonly part: Part;
  readonly aim: Aim;
  /** Where it occurs; everywhere by default. */
  readonly topologies?: readonly Topology[];
  /** How long in milliseconds, where it is longer than others. */
  readonly lasts?: readonly [shortest: number, longest: number];
  /** How long NATS may take to find its leaders and links again. */
  readonly restMs?: number;
}

const CLUSTERED: readonly Topology[] = ['cluster', 'edge', 'gateway'];
const ALONE: readonly Topology[] = ['single', 'leaf'];
const WITH_ENTRY: readonly Topology[] = ['edge', 'gateway', 'leaf'];
/** Longer than a replica's lease: revocations are acknowledged in this time that reach no replica. */
const APART_MS = [3_000, 10_000] as const;
/** Servers connect again, then replicas, which then read the facts that the calls need. */
const RECONNECT_MS = 4_000;
/** Others are elected after 4 to 9 s of silence. */
const ELECTION_MS = 6_000;

const part = (name: Part, aim: Aim): Kind => ({ part: name, aim });
const between = (...topologies: readonly Topology[]): Kind => ({ part: 'nats', aim: 'between', topologies });
const apart = (...topologies: readonly Topology[]): Kind => ({
  ...{ ...between(...topologies), lasts: APART_MS, restMs: RECONNECT_MS },
});

const KINDS = {
  'replica-kill': part('replica', 'one'),
  'replica-stop': part('replica', 'one'),
  'redis-kill-empty': part('redis', 'all'),
  'redis-kill-snapshot': part('redis', 'all'),
  'redis-stop': part('redis', 'all'),
  'redis-evict': part('redis', 'all'),
  'redis-link-cut': part('redis', 'link'),
  'redis-link-delay': part('redis', 'link'),
  'redis-link-half-open': part('redis', 'link'),
  'redis-link-stop': part('redis', 'link'),
  'nats-kill': { ...part('nats', 'all'), topologies: ALONE },
  'nats-kill-empty': { ...part('nats', 'all'), topologies: ALONE },
  'nats-stop': { ...part('nats', 'all'), topologies: ALONE },
  'nats-server-kill': { ...part('nats', 'one'), topologies: CLUSTERED, restMs: ELECTION_MS },
  'nats-leader-stop': { ...part('nats', 'all'), topologies: CLUSTERED, lasts: [5_000, 11_000], restMs: RECONNECT_MS },
  'nats-entry-kill': { ...part('nats', 'all'), topologies: WITH_ENTRY },
  'nats-entry-stop': { ...part('nats', 'all'), topologies: WITH_ENTRY },
  'nats-stream-purge': part('nats', 'all'),
  'nats-stream-delete': part('nats', 'all'),
  'nats-link-cut': part('nats', 'link'),
  'nats-link-delay': part('nats', 'link'),
  'nats-link-half-open': part('nats', 'link'),
  'nats-link-stop': part('nats', 'link'),
  'route-cut': apart('cluster', 'edge'),
  'route-delay': between('cluster', 'edge'),
  'route-half-open': apart('cluster', 'edge'),
  'route-stop': apart('cluster', 'edge'),
  'gateway-cut': apart('gateway'),
  'gateway-delay': between('gateway'),
  'gateway-half-open': apart('gateway'),
  'gateway-stop': apart('gateway'),
  'leaf-cut': apart('leaf'),
  'leaf-delay': between('leaf'),
  'leaf-half-open': apart('leaf'),
  'leaf-stop': apart('leaf'),
  'postgres-kill': part('postgres', 'all'),
  'postgres-stop': part('postgres', 'all'),
  'postgres-link-cut': part('postgres', 'link'),
  'postgres-link-delay': part('postgres', 'link'),
  'postgres-link-half-open': part('postgres', 'link'),
  'postgres-link-stop': part('postgres', 'link'),
} as const satisfies Record<string, Kind>;

export type FaultKind = keyof typeof KINDS;

const kindOf = (kind: FaultKind): Kind => KINDS[kind];

/** The kinds of faults of a topology, or those of them whose names begin so. */
export const faultKinds = (topology: Topology, only = ''): readonly FaultKind[] =>
  (Object.keys(KINDS) as FaultKind[]).filter(
    (kind) => kind.startsWith(only) && (kindOf(kind).topologies?.includes(topology) ?? true),
  );

export const partOf = (kind: FaultKind): Part => kindOf(kind).part;

/** Whether it takes servers that replicas connect to away from the stream, while publishers reach it. */
export const separates = (kind: FaultKind): boolean => kindOf(kind).lasts === APART_MS;

/** The affected replica, or all replicas. */
export const scopeOf = ({ kind, target }: PlannedFault): number | 'all' =>
  partOf(kind) === 'replica' || kindOf(kind).aim === 'link' ? target : 'all';

export interface PlannedFault {
  readonly kind: FaultKind;
  /** Milliseconds from the start of the run. */
  readonly at: number;
  readonly durationMs: number;
  /** The replica of the process or link, or the server of the stream; `all` for a single part, and for the links of all. */
  readonly target: number | 'all';
  /** How long each chunk is held back, for the kinds that delay. */
  readonly delayMs: number;
}

/** The last seconds stay quiet, so that every fault ends and the last changes are seen to be applied. */
const QUIET_MS = 3_000;
const FIRST_MS = 1_000;
/** Reserved in a run with several servers for faults that begin late: they wait for a leader of the stream. */
const LATE = 0.1;
/** After a fault of NATS between servers: found stale already, a replica could not show anything. */
const REST_MS = 1_500;
const USUAL_MS = [400, 2_600] as const;
/** No fault takes more of the whole run. */
const MOST_OF_ALL = 1 / 6;

/** A fault before it has its time. */
interface Draft extends Omit<PlannedFault, 'at'> {
  /** However short the run is. */
  readonly shortestMs: number;
  /** How much of it is over when the next one begins, and what then passes before. */
  readonly share: number;
  readonly gapMs: number;
}

/** One fault of each kind in a new order. */
const draftRound = (random: Random, topology: Topology, only: string, roomMs: number): readonly Draft[] =>
  random.shuffled(faultKinds(topology, only)).map((kind) => {
    const { aim, lasts } = kindOf(kind);
    const durationMs = random.between(...(lasts ?? USUAL_MS));
    const shortestMs = lasts === undefined ? 0 : Math.min(lasts[0], roomMs * MOST_OF_ALL);
    const oneIn = shareOfOne(aim, topology);
    const target = oneIn === 1 || (oneIn > 0 && random.next() < oneIn) ? random.below(REPLICAS) : 'all';
    const delayMs = random.between(20, 250);
    const [share, gapMs] = [random.between(0.2, 1), random.between(100, 700)];
    return { kind, durationMs, shortestMs, target, delayMs, share, gapMs };
  });

/** How often it is one replica, or one of as many servers of the stream. */
const shareOfOne = (aim: Aim, topology: Topology): number => {
  if (aim === 'between') return topology === 'cluster' ? 1 : topology === 'leaf' ? 0 : 0.3;
  return { all: 0, one: 1, link: 0.7 }[aim];
};

/** Gives a round its times, some beginning before the one before has ended, but for those of one part. */
const layOut = (round: readonly Draft[], beganMs: number, scale: number, topology: Topology) => {
  const free = new Map<Part, number>();
  let next = beganMs;
  const faults = round.map(({ kind, target, delayMs, share, gapMs, ...draft }): PlannedFault => {
    const { part: of, restMs = REST_MS } = kindOf(kind);
    const at = Math.max(next, free.get(of) ?? 0);
    // Shortened more than the time between them: healing takes as long as ever.
    const durationMs = draft.shortestMs + (draft.durationMs - draft.shortestMs) * scale ** 2;
    next = at + (draft.durationMs * share + gapMs) * scale;
    free.set(of, at + durationMs + (topology !== 'single' && of === 'nats' ? restMs * scale : 0));
    return { kind, at, durationMs, target, delayMs };
  });
  return { faults, endMs: Math.max(next, ...faults.map(({ at, durationMs }) => at + durationMs)) };
};

/** The largest part of its length at which a round ends in time. */
const scaleFor = (round: readonly Draft[], roomMs: number, topology: Topology): number => {
  let [fits, tooLong] = [0, 2];
  for (let step = 0; step < 12; step += 1) {
    const scale = (fits + tooLong) / 2;
    if (layOut(round, 0, scale, topology).endMs <= roomMs) fits = scale;
    else tooLong = scale;
  }
  return Math.min(1, fits);
};

/** Rounds of one fault of each kind until the end. A run that is too short for a whole round has shorter faults. */
export const planFaults = (seed: number, seconds: number, topology: Topology, only = ''): readonly PlannedFault[] => {
  const random = createRandom(seed);
  const lateMs = topology === 'single' ? 0 : seconds * 1_000 * LATE;
  const roomMs = seconds * 1_000 - QUIET_MS - FIRST_MS - lateMs;
  const plan: PlannedFault[] = [];
  for (let beganMs = 0; beganMs < roomMs; ) {
    const round = draftRound(random, topology, only, roomMs);
    const scale = beganMs === 0 ? scaleFor(round, roomMs, topology) : 1;
    const { faults, endMs } = layOut(round, beganMs, scale, topology);
    for (const fault of faults) {
      if (fault.at + fault.durationMs <= roomMs) plan.push({ ...fault, at: FIRST_MS + fault.at });
    }
    beganMs = endMs;
  }
  return plan;
};
