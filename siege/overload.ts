/** What an overload is, and what it measures. */
import type { Cores } from '../bench/cores.ts';
import { median } from '../bench/numbers.ts';
import type { Kind } from './scenario.ts';
import type { SiegeWorld } from './world.ts';

/** One figure; with a bound where there is a target. */
export interface Measure {
  readonly what: string;
  readonly value: number;
  readonly unit: 'calls/s' | 'ms' | '%' | 'calls' | 'times';
  readonly bound: { readonly is: 'at least' | 'at most'; readonly limit: number } | null;
}

export interface OverloadOptions {
  /** How long each part lasts. */
  readonly seconds: number;
  readonly cores: Cores | null;
  /** The service's main file; null: this repository's. */
  readonly main: string | null;
}

/** A scenario that measures what is answered, not who is hurt. */
export interface Overload {
  readonly name: string;
  readonly title: string;
  readonly kind: Exclude<Kind, 'strangers' | 'callers'>;
  /** Runs it against fresh processes; `stack` stops them. */
  run(world: SiegeWorld, options: OverloadOptions, stack: AsyncDisposableStack): Promise<readonly Measure[]>;
}

export function atLeast(what: string, value: number, unit: Measure['unit'], limit: number): Measure {
  return { what, value, unit, bound: { is: 'at least', limit } };
}

export function atMost(what: string, value: number, unit: Measure['unit'], limit: number): Measure {
  return { what, value, unit, bound: { is: 'at most', limit } };
}

/** A figure that has no target. */
export function noted(what: string, value: number, unit: Measure['unit']): Measure {
  return { what, value, unit, bound: null };
}

/** Whether the figure is within its bound. */
export function holds({ value, bound }: Measure): boolean {
  if (bound === null) return true;
  return bound.is === 'at least' ? value >= bound.limit : value <= bound.limit;
}

/** The median of each figure of several rounds. */
export function medianMeasures(rounds: readonly (readonly Measure[])[]): readonly Measure[] {
  return (rounds[0] ?? []).map((measure, index) => ({
    ...measure,
    value: median(rounds.map((round) => round[index]?.value ?? Number.NaN)),
  }));
}
