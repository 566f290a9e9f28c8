/** The bounds of every scenario, in one place. */
import type { Attack } from './scenario.ts';

/** What an attack may do to the honest caller and to the service. */
export interface Bounds {
  /** Honest calls that may fail. */
  readonly failed: number;
  /** The 99th percentile of honest calls during the attack, in milliseconds. */
  readonly p99Ms: number;
  /** Growth of the live heap, after a collection 10 s after the attack, in megabytes. */
  readonly liveHeapMb: number;
  /** Growth of resident memory at its peak, in megabytes. */
  readonly residentMb: number;
  /** The time from the end of the attack to the last slow or failed honest call, in milliseconds. */
  readonly recoveryMs: number;
  /** Connections of the attacker that may stay; null: any number. */
  readonly stay: number | null;
  /** Whether the service must have ended connections of the attacker. */
  readonly ends: boolean;
}

const BOUNDS: Bounds = {
  failed: 0,
  p99Ms: 250,
  liveHeapMb: 30,
  residentMb: 200,
  recoveryMs: 1_000,
  stay: null,
  ends: true,
};

/**
 * The service keeps 2,000 connections of strangers. The attacker takes others for made that the system has queued or dropped: it
 * says nothing on them, and so nothing tells it.
 */
const STAY = 3_500;

/**
 * Attacks whose connections may stay: they hurt no honest caller, or they end by themselves. Node gives headers of HTTP/1.1 a
 * minute, which is longer than the run looks.
 */
const MAY_STAY: ReadonlySet<string> = new Set([
  'health-calls',
  'settings-flood',
  'priority-flood',
  'slow-headers',
  'half-headers',
  'wide-health',
  'churn',
  'handshakes',
]);

/** Of a caller who is known: it is answered, and not ended. */
const OF_CALLERS: Bounds = { ...BOUNDS, p99Ms: 500, residentMb: 400, ends: false };

export function boundsOf({ name, kind }: Pick<Attack, 'name' | 'kind'>): Bounds {
  if (kind === 'callers') return OF_CALLERS;
  if (name.startsWith('idle-')) return { ...BOUNDS, stay: STAY };
  return MAY_STAY.has(name) ? { ...BOUNDS, ends: false } : BOUNDS;
}
