/** Runs scenarios one after the other, and takes the medians of their rounds. */
import type { Cores } from '../bench/cores.ts';
import { runAttack } from './attack-run.ts';
import { type Bounds, boundsOf } from './bounds.ts';
import { type Breach, breaches, type Figures, medianFigures } from './figures.ts';
import type { SiegeOptions } from './options.ts';
import { type Measure, medianMeasures, type Overload } from './overload.ts';
import type { Attack } from './scenario.ts';
import type { AttackResult, OverloadResult } from './table.ts';
import type { SiegeWorld } from './world.ts';

export interface SequenceOptions extends Pick<SiegeOptions, 'seconds' | 'rounds' | 'deadlineMs' | 'short' | 'service'> {
  /** Null: processes are not bound to cores. */
  readonly cores: Cores | null;
  /** Says what is under way. */
  readonly say: (line: string) => void;
}

/** How long the honest caller is alone before an attack, how long it stays after it, and when the heap is looked at. */
const WAITS = { aloneMs: 1_500, afterMs: 2_000, holdMs: 10_000 };
/** Where times say little, attacks run side by side. */
const SHORT_LANES = 3;
/** A short attack goes on until its end has come, so that no figure depends on how much a busy machine sends in a second. */
const SHORT_AT_MOST_SECONDS = 3;
const SHORT_WAITS = { aloneMs: 500, afterMs: 500, holdMs: 5_000 };

/** Runs the attacks one after the other; what each leaves is looked at while the next one runs. */
export async function runAttacks(
  world: SiegeWorld,
  attacks: readonly Attack[],
  { seconds, rounds, deadlineMs, service, short, cores, say }: SequenceOptions,
): Promise<readonly AttackResult[]> {
  const results = attacks.map((attack) => ({ attack, rounds: [] as Promise<Figures | string>[] }));
  const runs = Array.from({ length: rounds }, () => results).flat();
  const lane = async (): Promise<void> => {
    for (let one = runs.shift(); one !== undefined; one = runs.shift()) {
      say(`${one.attack.name}: ${one.attack.title}`);
      const atMostSeconds = short && boundsOf(one.attack).ends ? Math.max(seconds, SHORT_AT_MOST_SECONDS) : seconds;
      const waits = short ? SHORT_WAITS : WAITS;
      const options = { seconds, atMostSeconds, deadlineMs, cores, main: service, ...waits };
      try {
        const { figures } = await runAttack(world, one.attack, options);
        one.rounds.push(figures.catch(textOf));
      } catch (error) {
        one.rounds.push(Promise.resolve(textOf(error)));
      }
    }
  };
  await Promise.all(Array.from({ length: short ? SHORT_LANES : 1 }, lane));
  return Promise.all(
    results.map(async ({ attack, rounds: all }) => {
      const seen = await Promise.all(all);
      const failures = seen.filter((one) => typeof one === 'string');
      const figures = medianFigures(seen.filter((one) => typeof one !== 'string'));
      const bounds = boundsOf(attack);
      const found = failures.map((failure) => ({ text: `could not be run: ${failure}`, isAboutSpeed: false }));
      const { name, title, kind } = attack;
      return { name, title, kind, figures, bounds, breaches: [...found, ...breachesOf(figures, bounds)] };
    }),
  );
}

/** Runs the overloads one after the other; the medians of each figure. */
export async function runOverloads(
  world: SiegeWorld,
  overloads: readonly Overload[],
  { seconds, rounds, service, cores, say }: SequenceOptions,
): Promise<readonly OverloadResult[]> {
  const results: OverloadResult[] = [];
  for (const { name, title, kind, run: measure } of overloads) {
    const all: (readonly Measure[])[] = [];
    let failure: string | null = null;
    for (let round = 0; round < rounds; round += 1) {
      say(`${name}: ${title}`);
      try {
        await using stack = new AsyncDisposableStack();
        all.push(await measure(world, { seconds, cores, main: service }, stack));
      } catch (error) {
        failure = textOf(error);
      }
    }
    results.push({ name, title, kind, measures: medianMeasures(all), failure });
  }
  return results;
}

function breachesOf(figures: Figures | null, bounds: Bounds): readonly Breach[] {
  return figures === null ? [] : breaches(figures, bounds);
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
