/** One attack: a fresh process of the service, the honest caller beside the attacker, and a look at what is left. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Cores } from '../bench/cores.ts';
import { startAttacker } from './attack-process.ts';
import { type Figures, honestFigures } from './figures.ts';
import { startHonestCaller } from './honest-caller.ts';
import type { Attack, Tally, Target } from './scenario.ts';
import { startService } from './service.ts';
import type { SiegeWorld } from './world.ts';

export interface RunOptions {
  /** How long the attack lasts. */
  readonly seconds: number;
  /** How long it goes on, at most, until the service has ended a connection. */
  readonly atMostSeconds: number;
  /** How long the honest caller is alone before it. */
  readonly aloneMs: number;
  /** How long it goes on after it, while the attacker's connections stay. */
  readonly afterMs: number;
  /** From the end of the attack to the look at the heap. */
  readonly holdMs: number;
  /** The deadline of honest calls. */
  readonly deadlineMs: number;
  /** Null: processes are not bound to cores. */
  readonly cores: Cores | null;
  /** The service's main file; null: this repository's. */
  readonly main: string | null;
}

const PER_SECOND = 50;
const MEGABYTE = 2 ** 20;

/**
 * Runs an attack.
 * @returns Once the attack and what the honest caller sees after it are over: the figures, which come when the attacker's
 * connections were held for the time of the options. The next attack may run meanwhile.
 */
export async function runAttack(
  { environment, tls, token, questions }: SiegeWorld,
  attack: Attack,
  { seconds, atMostSeconds, aloneMs, afterMs, holdMs, deadlineMs, cores, main }: RunOptions,
): Promise<{ readonly figures: Promise<Figures> }> {
  await using stack = new AsyncDisposableStack();
  const settings = attack.tls === true ? { ...environment, ...tls.environment } : environment;
  const service = stack.adopt(await startService(settings, cores?.server ?? null, main), (one) => one.stop());
  const ca = attack.tls === true ? tls.ca : null;
  const scheme = attack.tls === true ? 'https' : 'http';
  const honest = await startHonestCaller(cores?.load ?? null, {
    grpcAddress: service.grpcAddress,
    httpUrl: service.httpUrl.replace(/^http:/, `${scheme}:`),
    token: token('honest'),
    questions,
    perSecond: PER_SECOND,
    deadlineMs,
    ca,
  });
  stack.defer(() => honest.stop());
  const attacker = startAttacker(cores?.load ?? null);
  stack.defer(() => attacker.stop());
  await attacker.tally();
  const heapBefore = await service.liveHeap();
  const residentBefore = service.resident();
  // A collection holds the process for longer than a call takes.
  const alone = clock();
  await delay(aloneMs);

  const target: Target = {
    grpcPort: service.grpcPort,
    httpPort: service.httpPort,
    seconds,
    atMostSeconds,
    token: token('a'),
    check: questions[0]?.body ?? '',
    ca,
  };
  service.forgetPeak();
  const cpuBefore = service.cpu();
  const began = clock();
  await attacker.attack({ name: attack.name, target });
  const ended = clock();
  const cpu = (service.cpu() - cpuBefore) / 1_000 / (ended - began);
  await delay(afterMs);
  const calls = await honest.end();
  await honest.stop();
  // From here on the process does no more than wait, on the core of the others.
  service.moveTo(cores?.load ?? null);
  const held = stack.move();
  const look = async (): Promise<Figures> => {
    await using _ = held;
    await delay(Math.max(0, holdMs - (clock() - ended)));
    const heapAfter = await service.liveHeap();
    const tally: Tally = await attacker.tally();
    return {
      ...honestFigures({ calls, alone, began, ended }),
      liveHeapMb: heapBefore === null || heapAfter === null ? null : (heapAfter - heapBefore) / MEGABYTE,
      residentPeakMb: (service.peak() - residentBefore) / MEGABYTE,
      residentAfterMb: (service.resident() - residentBefore) / MEGABYTE,
      cpu,
      tally,
      ending: service.ending(),
    };
  };
  return { figures: look() };
}

/** Milliseconds since 1970, as the honest caller's. */
function clock(): number {
  return performance.timeOrigin + performance.now();
}
