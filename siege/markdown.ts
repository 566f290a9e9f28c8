/** A run as docs/operate/siege.md shows it. */
import type { Host } from '../bench/machine.ts';
import { markdownTable } from '../bench/markdown.ts';
import {
  ATTACK_HEADINGS,
  type AttackResult,
  attackCells,
  OVERLOAD_HEADINGS,
  type OverloadResult,
  overloadCells,
} from './table.ts';

export interface Run {
  readonly command: string;
  readonly machine: Host;
  readonly seconds: number;
  readonly rounds: number;
  readonly attacks: readonly AttackResult[];
  readonly overloads: readonly OverloadResult[];
  readonly broken: readonly string[];
}

/** Markdown of a run: the machine, the picture, both tables, the bounds that do not hold, and what each attack is. */
export function describeRun({ command, machine, seconds, rounds, attacks, overloads, broken }: Run): string {
  return [
    '![the 99th percentile of honest calls, without and during each attack](siege.svg)',
    `\`${command}\` on ${machine.date}: ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGib} GiB, ${machine.system}, ` +
      `Linux ${machine.kernel}, Node ${machine.node}. ${rounds} round${rounds === 1 ? '' : 's'} of ${seconds} s, medians. ` +
      `Load average when it began: ${machine.loadAverage}.`,
    markdownTable([ATTACK_HEADINGS, ...attacks.map(attackCells)]),
    markdownTable([OVERLOAD_HEADINGS, ...overloads.flatMap(overloadCells)]),
    ...(broken.length === 0 ? [] : ['Bounds that do not hold:', broken.map((line) => `- ${line}`).join('\n')]),
    markdownTable([
      ['attack or overload', 'the calls, frames or connections'],
      ...[...attacks, ...overloads].map(({ name, title }) => [`\`${name}\``, title]),
    ]).replace('---:', '---'),
  ].join('\n\n');
}
