/** The table on stdout. */
import type { Ratio } from './ratios.ts';
import type { LeftOut, RowResult } from './rounds.ts';

const fixed = (value: number | null, digits: number): string =>
  value === null || Number.isNaN(value)
    ? '-'
    : value.toLocaleString('en', { maximumFractionDigits: digits, minimumFractionDigits: digits });
/** Three significant digits are more than the spread allows. */
export const micros = (value: number | null): string =>
  fixed(value, value !== null && value < 10 ? 2 : value !== null && value < 100 ? 1 : 0);
export const percent = (value: number | null): string => (value === null ? '-' : `${fixed(value * 100, 0)}%`);

/** Columns of equal width. */
export const layout = (rows: readonly (readonly string[])[]): string => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
};

/** The measured rows, a line of headings first. */
export const rowCells = (results: readonly RowResult[]): readonly (readonly string[])[] => [
  ['', 'req/s', 'CPU us', 'us/decision', 'spread: req/s, CPU', 'p50 us', 'p99 us', 'at req/s', 'errors'],
  ...results.map((row) => [
    row.title,
    fixed(row.rps, 0),
    micros(row.cpuMicros),
    row.decisions === 1 || row.cpuMicros === null ? '' : micros(row.cpuMicros / row.decisions),
    `${percent(row.spread)}, ${percent(row.cpuSpread)}`,
    micros(row.p50Micros),
    micros(row.p99Micros),
    row.openRps !== null ? fixed(row.openRps, 0) : (row.callers ?? 1) > 1 ? `${row.callers} at once` : 'one by one',
    String(row.errors),
  ]),
];

/** The figures to reach, a line of headings first. */
export const ratioCells = (ratios: readonly Ratio[]): readonly (readonly string[])[] => [
  ['', 'measured', 'wanted', ''],
  ...ratios.map(({ title, value, bound, limit, reached }) => [
    title,
    value === null ? '-' : `${fixed(value, 2)}`,
    `${bound} ${fixed(limit, 2)}`,
    reached === null ? '' : reached ? 'reached' : 'NOT reached',
  ]),
];

/** The rows that were not measured: one line for all that have the same cause. */
export function leftOutLines(leftOut: readonly LeftOut[]): readonly string[] {
  const names = new Map<string, string[]>();
  for (const { name, why } of leftOut) names.set(why, [...(names.get(why) ?? []), name]);
  return [...names].map(([why, all]) => `left out: ${all.join(', ')}: ${why}`);
}

/** The measured rows as text. */
export const rowsTable = (results: readonly RowResult[], leftOut: readonly LeftOut[]): string =>
  [layout(rowCells(results)), ...leftOutLines(leftOut)].join('\n');

/** The figures to reach as text. */
export const ratiosTable = (ratios: readonly Ratio[]): string => layout(ratioCells(ratios));
