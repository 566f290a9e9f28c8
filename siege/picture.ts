/** docs/operate/siege.svg: what attacks do to the honest caller's slowest calls. */
import { FONT, label, line, STYLE } from '../bench/picture.ts';
import type { AttackResult } from './table.ts';

const WIDTH = 860;
const LEFT = 190;
const RIGHT = 110;
const TOP = 60;
const ROW = 26;
const BAR = 9;
/** The scale, in powers of ten of a millisecond. */
const LEAST = 0;
const MOST = 4;
const ALONE = '#8a8f98';
const HOLDS = '#1f77d0';
const BROKEN = '#c0392b';

/** Draws two bars for each attack: 99 of 100 calls before the attack, and during it, on a logarithmic scale. */
export function drawPicture(attacks: readonly AttackResult[], boundMs: number): string {
  const height = TOP + attacks.length * ROW + 40;
  const bottom = TOP + attacks.length * ROW;
  const grid = Array.from({ length: MOST - LEAST + 1 }, (_, step) => 10 ** (LEAST + step)).flatMap((ms) => [
    line(x(ms), TOP - 6, x(ms), bottom),
    label(x(ms), bottom + 18, 'middle', ms < 1_000 ? `${ms} ms` : `${ms / 1_000} s`),
  ]);
  const rows = attacks.flatMap(({ name, figures, breaches }, index) => {
    const y = TOP + index * ROW;
    const during = breaches.length === 0 ? HOLDS : BROKEN;
    const failed = figures === null || figures.failed === 0 ? '' : `, ${figures.failed} failed`;
    const text = figures === null ? 'not run' : `${Math.round(figures.p99Ms).toLocaleString('en')} ms${failed}`;
    return [
      label(LEFT - 8, y + 15, 'end', name),
      bar(y + 2, figures?.aloneP99Ms ?? 1, ALONE),
      bar(y + 2 + BAR, figures?.p99Ms ?? 1, during),
      label(x(figures?.p99Ms ?? 1) + 6, y + 18, 'start', text),
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" ${FONT}>`,
    '<title>The 99th percentile of honest calls, without and during each attack</title>',
    `<style>${STYLE}</style>`,
    `<rect class="paper" width="${WIDTH}" height="${height}"/>`,
    label(
      16,
      26,
      'start',
      'The 99th percentile of honest calls: without the attack (grey) and during it (logarithmic)',
      'bold',
    ),
    ...grid,
    `<line x1="${x(boundMs)}" y1="${TOP - 6}" x2="${x(boundMs)}" y2="${bottom}" stroke="${BROKEN}" stroke-dasharray="4 3"/>`,
    label(x(boundMs), TOP - 12, 'middle', `bound ${boundMs} ms`),
    ...rows,
    '</svg>',
    '',
  ].join('\n');
}

function bar(y: number, ms: number, colour: string): string {
  return `<rect x="${LEFT}" y="${y}" width="${Math.max(x(ms) - LEFT, 1).toFixed(1)}" height="${BAR}" fill="${colour}"/>`;
}

function x(ms: number): number {
  const share = (Math.log10(Math.max(ms, 1)) - LEAST) / (MOST - LEAST);
  return Math.round(LEFT + Math.min(1, Math.max(0, share)) * (WIDTH - LEFT - RIGHT));
}
