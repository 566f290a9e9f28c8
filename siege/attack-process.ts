/** The parent's side of attacker.ts. */
import { startChild } from '../bench/child.ts';
import type { Tally, Target } from './scenario.ts';

/** The instructions to the attacker. */
export interface AttackOrder {
  readonly name: string;
  readonly target: Target;
}

export interface Attacker {
  /** Attacks; the connections stay afterwards. */
  attack(order: AttackOrder): Promise<Tally>;
  /** What it counts by now. */
  tally(): Promise<Tally>;
  /** Ends it with its connections. */
  stop(): Promise<void>;
}

export function startAttacker(cores: string | null): Attacker {
  const child = startChild(cores, '../siege/attacker.ts', []);
  return { attack: (order) => child.ask<Tally>(order), tally: () => child.ask<Tally>('tally'), stop: child.stop };
}
