/** The last full run as docs/operate/performance.md shows it, between two markers there. */
import type { Machine } from './machine.ts';
import type { Ratio } from './ratios.ts';
import type { LeftOut, RowResult } from './rounds.ts';
import { leftOutLines, ratioCells, rowCells } from './table.ts';

const BEGIN = '<!-- last full run: written by the bench -->';
const END = '<!-- end of the last full run -->';

/** A table of markdown; the first row has the headings. */
export const markdownTable = ([header = [], ...rows]: readonly (readonly string[])[]): string =>
  [
    `| ${header.join(' | ')} |`,
    `|${header.map((_, column) => (column === 0 ? '---' : '---:')).join('|')}|`,
    ...rows.map((row) => `| ${row.join(' | ')} |`),
  ].join('\n');

export interface Run {
  readonly command: string;
  readonly machine: Machine;
  readonly rounds: number;
  readonly seconds: number;
  readonly results: readonly RowResult[];
  readonly leftOut: readonly LeftOut[];
  readonly ratios: readonly Ratio[];
}

/** Markdown of a run: the machine, every row, the figures to reach. */
export const describeRun = ({ command, machine, rounds, seconds, results, leftOut, ratios }: Run): string =>
  [
    '![requests a second, and latency by percentile](performance.svg)',
    `\`${command}\` on ${machine.date}: ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGib} GiB, ${machine.system}, ` +
      `Linux ${machine.kernel}, Node ${machine.node}, h2load ${machine.h2load}. Servers on core ${machine.serverCores}, load and ` +
      `everything else on core ${machine.loadCores}. ${rounds} rounds of ${seconds} s. Load average when it began: ${machine.loadAverage}.`,
    markdownTable(rowCells(results)),
    ...leftOutLines(leftOut).map((line) => `${line.replace('left', 'Left')}.`),
    markdownTable(ratioCells(ratios)),
  ].join('\n\n');

/** Puts a run in the place of the one before. */
export const replaceRun = (document: string, run: string): string => {
  const [before, rest] = document.split(BEGIN);
  const [, after] = rest?.split(END) ?? [];
  if (before === undefined || after === undefined) throw new Error('the document has lost the markers of the last run');
  return `${before}${BEGIN}\n\n${run}\n\n${END}${after}`;
};
