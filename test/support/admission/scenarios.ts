/** Loads of the line, and the promises that it breaks under each of them. */
import type { LineOptions } from '../../../src/admission/line.ts';
import { type Arrival, type LineModule, quantile, type ReadOutcome, simulate, steady } from './simulation.ts';

/** A read of PostgreSQL at a distance of 20 ms. */
const READ_MS = 22;
const LINE: LineOptions = { connections: 10, stallWaitMs: 2_000, overloadWaitMs: 200 };
const STATEMENT_TIMEOUT_MS = 2_000;
/** Reads that PostgreSQL answers in a second. */
const CAPACITY = (LINE.connections * 1_000) / READ_MS;
const SWEEP_MS = 25;

const takes = (): number => READ_MS;

/** The promises that are broken, in words. */
export type Violations = (module: LineModule) => readonly string[];

export const SCENARIOS: Readonly<Record<string, Violations>> = {
  'three times as many calls as PostgreSQL answers': (module) => {
    const overload = steady({ from: 0, to: 6_000, perSecond: 3 * CAPACITY, patience: 1_000 });
    const after = steady({ from: 6_000, to: 9_000, perSecond: CAPACITY / 2, patience: 1_000 });
    const { reads } = simulate(module, { line: LINE, arrivals: [...overload, ...after], until: 10_000, takes });
    const answered = reads.filter((read) => read.end === 'answered');
    const inTime = (read: ReadOutcome): boolean => read.cameAt >= 2_000 && read.cameAt < 6_000;
    const steadily = answered.filter(inTime);
    const refused = reads.filter((read) => inTime(read) && read.end !== 'answered');
    return broken({
      'every connection answers': steadily.length >= 0.95 * 4 * CAPACITY,
      'the median answer comes after two reads at most': quantile(steadily.map(latency), 0.5) <= 2 * READ_MS,
      '99 of 100 answers come within 250 ms': quantile(answered.map(latency), 0.99) <= 250,
      'a call is refused within the target': Math.max(...refused.map(latency)) <= LINE.overloadWaitMs + SWEEP_MS,
      'each call without an answer is refused as overload': refused.every(({ end }) => end === 'overload'),
      'a second later every call is answered': reads.every((read) => read.cameAt < 7_000 || read.end === 'answered'),
    });
  },

  'a burst that PostgreSQL answers within the budget of the calls': (module) => {
    const arrivals = Array.from({ length: 400 }, () => ({ ...SINGLE, at: 100, patience: 2_000 }));
    const { reads } = simulate(module, { line: LINE, arrivals: [...warm(), ...arrivals], until: 3_000, takes });
    return broken({ 'every call is answered': reads.every(({ end }) => end === 'answered') });
  },

  'PostgreSQL hangs': (module) => {
    const singles = Array.from({ length: 60 }, (_, index) => {
      return { ...SINGLE, at: 100, patience: index % 2 === 0 ? Number.POSITIVE_INFINITY : 10_000 };
    });
    const batch = { ...SINGLE, at: 100, patience: 60_000, reads: 100 };
    const hangs = (at: number): boolean => at >= 100;
    const { reads } = simulate(module, {
      ...{ line: LINE, arrivals: [...warm(), ...singles, batch], until: 10_000 },
      takes: (at) => (hangs(at) ? STATEMENT_TIMEOUT_MS : READ_MS),
      fails: hangs,
    });
    const waited = reads.filter(({ beganAt, cameAt }) => cameAt === 100 && beganAt !== 100);
    return broken({
      'each read that waits is refused, or fails': waited.every(({ end }) => end === 'stalled' || end === 'failed'),
      'a read is refused when no call has had an answer for as long as it may wait': waited.every(
        (read) =>
          read.end !== 'stalled' ||
          (latency(read) >= LINE.stallWaitMs && latency(read) <= LINE.stallWaitMs + 2 * SWEEP_MS),
      ),
    });
  },

  'PostgreSQL answers nothing for 1.9 seconds': (module) => {
    const arrivals = steady({ from: 0, to: 5_000, perSecond: 0.3 * CAPACITY, patience: 4_000 });
    const stalls = (at: number): number => {
      return at > 1_000 && at < 2_900 ? 2_900 - at + READ_MS : READ_MS;
    };
    const { reads } = simulate(module, { line: LINE, arrivals, until: 10_000, takes: stalls });
    return broken({ 'every call is answered': reads.every(({ end }) => end === 'answered') });
  },

  'single checks beside batches of the same caller': (module) => beside(module, 'a'),

  'single checks beside batches of another caller': (module) => beside(module, 'b'),

  'a batch under as many single checks as PostgreSQL answers': (module) => {
    const singles = steady({ from: 0, to: 6_000, perSecond: 0.98 * CAPACITY, patience: 1_000 });
    const batch = { at: 500, share: 'a', patience: 5_000, reads: 100 };
    const { reads } = simulate(module, { line: LINE, arrivals: [...singles, batch], until: 7_000, takes });
    const ofBatch = reads.filter(({ arrival }) => arrival === batch);
    return broken({ 'the batch is answered': ofBatch.every(({ end }) => end === 'answered') });
  },

  'batches without end of one caller, and a call of another one': (module) => {
    const batches = Array.from({ length: 100 }, () => ({ at: 100, share: 'b', patience: 60_000, reads: 500 }));
    const single = { ...SINGLE, at: 150 };
    const { reads, longest } = simulate(module, { line: LINE, arrivals: [...batches, single], until: 1_000, takes });
    return broken({
      'the line has a bound': longest <= 10_001,
      'the call of the other caller is answered': reads.find(({ arrival }) => arrival === single)?.end === 'answered',
    });
  },

  'one caller with few calls beside one with too many': (module) => {
    const many = steady({ from: 0, to: 5_000, perSecond: 3 * CAPACITY, patience: 1_000, share: 'b' });
    const few = steady({ from: 0, to: 5_000, perSecond: CAPACITY / 4, patience: 1_000 });
    const { reads } = simulate(module, { line: LINE, arrivals: [...many, ...few], until: 6_000, takes });
    const ofFew = reads.filter(({ arrival }) => arrival.share === 'a');
    return broken({
      'each call of the caller with few calls is answered': ofFew.every(({ end }) => end === 'answered'),
      'its answers come within three reads': quantile(ofFew.map(latency), 0.99) <= 3 * READ_MS,
    });
  },
};

const SINGLE: Arrival = { at: 0, share: 'a', patience: 1_000, reads: 1 };

/** Calls from which the line learns how long a read takes. */
function warm(): readonly Arrival[] {
  return Array.from({ length: 10 }, (_, index) => ({ ...SINGLE, at: index }));
}

/** Two batches of 500 at any time, one after the other, and single checks beside them. */
function beside(module: LineModule, ofBatches: string): readonly string[] {
  const batches = Array.from({ length: 5 }, (_, index) => index * 2_200 + 100).flatMap((at) => [
    { at, share: ofBatches, patience: 10_000, reads: 500 },
    { at: at + 700, share: ofBatches, patience: 10_000, reads: 500 },
  ]);
  const singles = steady({ from: 500, to: 9_000, perSecond: 50, patience: 1_000 });
  const { reads } = simulate(module, { line: LINE, arrivals: [...batches, ...singles], until: 16_000, takes });
  const ofSingles = reads.filter(({ arrival }) => arrival.reads === 1);
  return broken({
    'every single check is answered': ofSingles.every(({ end }) => end === 'answered'),
    'a single check takes three times as long as alone at most': quantile(ofSingles.map(latency), 0.99) <= 3 * READ_MS,
    'every check of a batch is answered': reads.every(({ end }) => end === 'answered'),
  });
}

function latency({ cameAt, endedAt }: ReadOutcome): number {
  return (endedAt ?? Number.POSITIVE_INFINITY) - cameAt;
}

function broken(promises: Readonly<Record<string, boolean>>): readonly string[] {
  return Object.entries(promises).flatMap(([promise, kept]) => (kept ? [] : [promise]));
}
