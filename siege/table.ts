/** The tables of a run, as cells and as text. */
import { stripVTControlCharacters, styleText } from 'node:util';
import type { Bounds } from './bounds.ts';
import type { Breach, Figures } from './figures.ts';
import { holds, type Measure } from './overload.ts';

/** An attack with its figures. */
export interface AttackResult {
  readonly name: string;
  readonly title: string;
  readonly kind: string;
  /** Null when the attack could not be run. */
  readonly figures: Figures | null;
  readonly bounds: Bounds;
  readonly breaches: readonly Breach[];
}

/** An overload with its figures. */
export interface OverloadResult {
  readonly name: string;
  readonly title: string;
  readonly kind: string;
  readonly measures: readonly Measure[];
  /** Why it could not be run; null when it was. */
  readonly failure: string | null;
}

export const OVERLOAD_HEADINGS = ['overload', 'figure', 'measured', 'bound', ''];

/** The cells of one overload: a row for each figure. */
export function overloadCells({ name, measures, failure }: OverloadResult): readonly (readonly string[])[] {
  if (failure !== null) return [[name, failure, '', '', 'BROKEN']];
  return measures.map((measure, index) => {
    const { what, value, unit, bound } = measure;
    const limit = bound === null ? '' : `${bound.is} ${whole(bound.limit)} ${unit}`;
    const verdict = bound === null ? '' : holds(measure) ? 'holds' : 'BROKEN';
    return [index === 0 ? name : '', what, `${tenths(value)} ${unit}`, limit, verdict];
  });
}

/** The bounds that do not hold, in words. */
export function brokenBounds(
  attacks: readonly AttackResult[],
  overloads: readonly OverloadResult[],
): readonly string[] {
  return [
    ...attacks.flatMap(({ name, breaches }) => breaches.map(({ text }) => `${name}: ${text}`)),
    ...overloads.flatMap(({ name, failure }) => (failure === null ? [] : [`${name}: could not be run: ${failure}`])),
    ...overloads.flatMap(({ name, measures }) =>
      measures
        .filter((measure) => !holds(measure))
        .map(({ what, value, unit, bound }) => {
          return `${name}: ${what} ${tenths(value)} ${unit}, bound ${bound?.is} ${bound?.limit}`;
        }),
    ),
  ];
}

export const ATTACK_HEADINGS = [
  'attack',
  'failed',
  'p50 ms, alone',
  'p99 ms, alone',
  'back ms',
  'live heap MB',
  'resident MB, after',
  'CPU',
  'sent',
  'ended',
  '',
];

/** The cells of one attack. */
export function attackCells({ name, figures, breaches }: AttackResult): readonly string[] {
  if (figures === null) return [name, ...Array.from({ length: ATTACK_HEADINGS.length - 2 }, () => '-'), 'BROKEN'];
  const { failed, honestCalls, p50Ms, aloneP50Ms, p99Ms, aloneP99Ms, recoveryMs, liveHeapMb, tally, cpu } = figures;
  return [
    name,
    `${failed} of ${honestCalls}`,
    `${tenths(p50Ms)}, ${tenths(aloneP50Ms)}`,
    `${tenths(p99Ms)}, ${tenths(aloneP99Ms)}`,
    whole(recoveryMs),
    liveHeapMb === null ? '-' : signed(liveHeapMb),
    `${signed(figures.residentPeakMb)}, ${signed(figures.residentAfterMb)}`,
    `${whole(cpu * 100)} %`,
    whole(tally.sent),
    `${whole(tally.ended)} of ${whole(tally.opened)}`,
    breaches.length === 0 ? 'holds' : 'BROKEN',
  ];
}

/** Columns of equal width, coloured by the last one where the terminal shows colours. */
export function layout(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row, index) => {
      const line = row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join('  ')
        .trimEnd();
      return index === 0 ? styleText('bold', line) : coloured(line, row.at(-1) ?? '');
    })
    .join('\n');
}

/** The text without colours. */
export const plain = stripVTControlCharacters;

export function whole(value: number): string {
  return Number.isNaN(value) ? '-' : Math.round(value).toLocaleString('en');
}

export function tenths(value: number): string {
  return Number.isNaN(value) ? '-' : value < 100 ? value.toFixed(1) : whole(value);
}

function signed(value: number): string {
  return Number.isNaN(value) ? '-' : `${value < 0 ? '' : '+'}${whole(value)}`;
}

function coloured(line: string, verdict: string): string {
  if (verdict === 'holds') return styleText('green', line);
  return verdict === 'BROKEN' ? styleText('red', line) : line;
}
