/** The table on stdout. */
import type { Ratio } from './ratios.ts';
import type { LeftOut, RowResult } from './rounds.ts';

const fixed = (value: number | null, digits: number): string =>
  value === null || Number.isNaN(value)
    ? '-'
    : value.toLocaleString('en', { maximumFractionDigits: digits, minimumFractionDigits: digits });
/** Three significant digits are more than the spread allows. */
const micros = (value: number | null): string =>
  fixed(value, value !== null && value < 10 ? 2 : value !== null && value < 100 ? 1 : 0);
const percent = (value: number | null): string => (value === null ? '-' : `${fixed(value * 100, 0)}%`);

const layout = (rows: readonly (readonly string[])[]): string => {
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

/** The measured rows. */
export const rowsTable = (results: readonly RowResult[], leftOut: readonly LeftOut[]): string => {
  const header = ['', 'req/s', 'CPU us', 'us/decision', 'spread', 'p50 us', 'p99 us', 'at req/s', 'errors'];
  const lines = results.map((row) => [
    row.title,
    fixed(row.rps, 0),
    micros(row.cpuMicros),
    row.decisions === 1 || row.cpuMicros === null ? '' : micros(row.cpuMicros / row.decisions),
    `${percent(row.spread)}/${percent(row.cpuSpread)}`,
    micros(row.p50Micros),
    micros(row.p99Micros),
    row.openRps === null ? 'one by one' : fixed(row.openRps, 0),
    String(row.errors),
  ]);
  return [layout([header, ...lines]), ...leftOut.map(({ title, why }) => `left out: ${title}: ${why}`)].join('\n');
};

/** The figures to reach. */
export const ratiosTable = (ratios: readonly Ratio[]): string =>
  layout([
    ['', 'measured', 'wanted', ''],
    ...ratios.map(({ title, value, bound, limit, reached }) => [
      title,
      value === null ? '-' : `${fixed(value, 2)}`,
      `${bound} ${fixed(limit, 2)}`,
      reached === null ? '' : reached ? 'reached' : 'NOT reached',
    ]),
  ]);
