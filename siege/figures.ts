/** The figures of an attack, from the calls of the honest caller and the looks at the process. Pure. */
import { median, percentile } from '../bench/numbers.ts';
import type { Bounds } from './bounds.ts';
import type { HonestCall } from './honest-caller.ts';
import type { Tally } from './scenario.ts';

/** What was seen of one attack. Times in milliseconds, memory in megabytes. */
export interface Figures {
  /** Honest calls during the attack and after it. */
  readonly honestCalls: number;
  readonly failed: number;
  /** The first failure, for people. */
  readonly failure: string | null;
  readonly aloneP50Ms: number;
  readonly aloneP99Ms: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** From the end of the attack to the last slow or failed call; 0 when there was none. */
  readonly recoveryMs: number;
  /** Growth of the live heap 10 s after the attack; null when the process did not answer. */
  readonly liveHeapMb: number | null;
  /** Growth of resident memory at its peak, and 10 s after the attack. */
  readonly residentPeakMb: number;
  readonly residentAfterMb: number;
  /** CPU time of the service during the attack, as a share of one core. */
  readonly cpu: number;
  readonly tally: Tally;
  /** How the process ended; null when it did not. */
  readonly ending: string | null;
}

/** The honest calls of an attack, by time. */
export interface Phases {
  readonly calls: readonly HonestCall[];
  /** From when on the honest caller was alone, and when the attack began and ended, by the clock of the calls. */
  readonly alone: number;
  readonly began: number;
  readonly ended: number;
}

/** A call is slow that takes twice what 99 of 100 take without an attack, and at least this. */
const SLOW_MS = 100;

export type HonestFigures = Pick<
  Figures,
  'honestCalls' | 'failed' | 'failure' | 'aloneP50Ms' | 'aloneP99Ms' | 'p50Ms' | 'p99Ms' | 'maxMs' | 'recoveryMs'
>;

/** Sums up the calls: before the attack, during it, after it. */
export function honestFigures({ calls, alone: aloneFrom, began, ended }: Phases): HonestFigures {
  const times = (some: readonly HonestCall[]): readonly number[] => some.map(({ ms }) => ms).toSorted((a, b) => a - b);
  const alone = times(calls.filter(({ at, ms }) => at >= aloneFrom && at + ms < began));
  const during = calls.filter(({ at, ms }) => at + ms >= began && at <= ended);
  const attacked = times(during);
  const aloneP99Ms = percentile(alone, 0.99);
  const slowMs = Math.max(SLOW_MS, 2 * aloneP99Ms);
  const late = calls.filter(({ at, ms, failure }) => at + ms > ended && (failure !== null || ms > slowMs));
  const failures = calls.filter(({ at, ms, failure }) => at + ms >= began && failure !== null);
  return {
    honestCalls: calls.filter(({ at, ms }) => at + ms >= began).length,
    failed: failures.length,
    failure: failures[0] === undefined ? null : `${failures[0].way}: ${failures[0].failure}`,
    aloneP50Ms: percentile(alone, 0.5),
    aloneP99Ms,
    p50Ms: percentile(attacked, 0.5),
    p99Ms: percentile(attacked, 0.99),
    maxMs: attacked.at(-1) ?? Number.NaN,
    recoveryMs: Math.max(0, ...late.map(({ at, ms }) => at + ms - ended)),
  };
}

/** The median of each figure of several rounds; failures and wrong answers of all rounds count. Null of none. */
export function medianFigures(rounds: readonly Figures[]): Figures | null {
  if (rounds.length === 0) return null;
  const of = (pick: (figures: Figures) => number): number => median(rounds.map(pick));
  const sum = (pick: (figures: Figures) => number): number => rounds.reduce((total, one) => total + pick(one), 0);
  const heaps = rounds.map(({ liveHeapMb }) => liveHeapMb);
  return {
    honestCalls: of(({ honestCalls }) => honestCalls),
    failed: sum(({ failed }) => failed),
    failure: rounds.map(({ failure }) => failure).find((one) => one !== null) ?? null,
    aloneP50Ms: of(({ aloneP50Ms }) => aloneP50Ms),
    aloneP99Ms: of(({ aloneP99Ms }) => aloneP99Ms),
    p50Ms: of(({ p50Ms }) => p50Ms),
    p99Ms: of(({ p99Ms }) => p99Ms),
    maxMs: of(({ maxMs }) => maxMs),
    recoveryMs: of(({ recoveryMs }) => recoveryMs),
    liveHeapMb: heaps.some((heap) => heap === null) ? null : median(heaps.map((heap) => heap ?? 0)),
    residentPeakMb: of(({ residentPeakMb }) => residentPeakMb),
    residentAfterMb: of(({ residentAfterMb }) => residentAfterMb),
    cpu: of(({ cpu }) => cpu),
    tally: {
      opened: of(({ tally }) => tally.opened),
      ended: of(({ tally }) => tally.ended),
      sent: of(({ tally }) => tally.sent),
      answered: of(({ tally }) => tally.answered),
      wrong: sum(({ tally }) => tally.wrong),
    },
    ending: rounds.map(({ ending }) => ending).find((one) => one !== null) ?? null,
  };
}

/** A bound that does not hold, and whether it depends on the speed of the machine. */
export interface Breach {
  readonly text: string;
  readonly isAboutSpeed: boolean;
}

/** The bounds that do not hold, in words; empty when all do. */
export function breaches(figures: Figures, bounds: Bounds): readonly Breach[] {
  const { failed, failure, p99Ms, recoveryMs, liveHeapMb, residentPeakMb, tally, ending } = figures;
  const found: Breach[] = [];
  const note = (text: string, isAboutSpeed = false): void => void found.push({ text, isAboutSpeed });
  if (ending !== null) note(`the service ended: ${ending}`);
  if (failed > bounds.failed) note(`${failed} honest calls failed (${failure})`);
  if (!(p99Ms <= bounds.p99Ms)) note(`p99 ${p99Ms.toFixed(0)} ms, bound ${bounds.p99Ms}`, true);
  if (!(recoveryMs <= bounds.recoveryMs)) {
    note(`slow or failed for ${recoveryMs.toFixed(0)} ms after the attack, bound ${bounds.recoveryMs}`, true);
  }
  if (liveHeapMb === null) note('the live heap could not be read');
  else if (!(liveHeapMb <= bounds.liveHeapMb)) {
    note(`live heap + ${liveHeapMb.toFixed(0)} MB, bound ${bounds.liveHeapMb}`);
  }
  if (!(residentPeakMb <= bounds.residentMb)) {
    note(`resident memory + ${residentPeakMb.toFixed(0)} MB, bound ${bounds.residentMb}`);
  }
  if (tally.wrong > 0) note(`${tally.wrong} answers that must never be given`);
  if (tally.opened === 0) note('the attacker made no connection: the run shows nothing');
  if (bounds.ends && tally.opened > 0 && tally.ended === 0) note('no connection of the attacker was ended');
  const stay = tally.opened - tally.ended;
  if (bounds.stay !== null && stay > bounds.stay) {
    note(`${stay} connections of the attacker stay, bound ${bounds.stay}`);
  }
  return found;
}
