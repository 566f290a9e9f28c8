/** docs/operate/performance.svg: requests a second on one core, and latency by percentile. */
import { PERCENTILES } from './numbers.ts';
import type { RowResult } from './rounds.ts';

const WIDTH = 860;
const LEFT = 250;
const RIGHT = 90;
const BAR = 20;
const PLOT_HEIGHT = 240;
/** Of every text of a picture. */
export const FONT = 'font-family="system-ui, sans-serif" font-size="13"';

/** Follows the reader's light or dark setting. */
export const STYLE =
  '.paper{fill:#fff}.ink{fill:#1c2128}.rule{stroke:#d0d7de}' +
  '@media (prefers-color-scheme:dark){.paper{fill:#0d1117}.ink{fill:#e6edf3}.rule{stroke:#30363d}}';

/** What the bars compare, in this order. */
const BARS = [
  'baseline/http2',
  'baseline/grpc-js',
  'assent/check/memory',
  'assent/check/memory/unix',
  'assent/check/hs256',
  'assent/check/eddsa',
  'assent/check/redis',
  'assent/check/miss',
  'peer/cerbos',
  'peer/casbin',
  'peer/cedar',
  'peer/spicedb',
];
/** What the lines compare: all at the same rate. */
const LINES = ['baseline/http2', 'baseline/grpc-js', 'assent/check/memory', 'peer/cerbos'];

/** Colours that colour-blind readers can distinguish, by kind of row: the baselines grey, ours blue, peers orange. */
const colourOf = (name: string): string =>
  name.startsWith('baseline/http2')
    ? '#8a8f98'
    : name.startsWith('baseline/')
      ? '#56606e'
      : name.startsWith('peer/')
        ? '#d9822b'
        : '#1f77d0';

const escapeXml = (text: string): string => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);

/** A text at a point. */
export const label = (
  x: number,
  y: number,
  anchor: 'start' | 'middle' | 'end',
  content: string,
  weight = 'normal',
): string =>
  `<text class="ink" x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" font-weight="${weight}">${escapeXml(content)}</text>`;

/** A thin line. */
export const line = (x1: number, y1: number, x2: number, y2: number): string =>
  `<line class="rule" x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}"/>`;

const count = (value: number): string => Math.round(value).toLocaleString('en');

/** Bars on a logarithmic scale: from a peer's thousand to memory's million. */
const bars = (rows: readonly RowResult[], top: number): readonly string[] => {
  const shown = BARS.flatMap((name) => rows.filter((row) => row.name === name && row.rps !== null));
  const logs = shown.map(({ rps }) => Math.log10(rps ?? 1));
  const least = Math.floor(Math.min(...logs));
  const scale = (WIDTH - LEFT - RIGHT) / (Math.max(...logs) - least);
  const drawn = shown.flatMap((row, index) => {
    const y = top + 34 + index * (BAR + 6);
    const width = ((logs[index] ?? least) - least) * scale;
    const rect = `<rect x="${LEFT}" y="${y}" width="${Math.max(width, 1).toFixed(1)}" height="${BAR}" fill="${colourOf(row.name)}"/>`;
    return [
      label(LEFT - 8, y + 15, 'end', row.title),
      rect,
      label(LEFT + width + 6, y + 15, 'start', count(row.rps ?? 0)),
    ];
  });
  return [label(16, top + 16, 'start', 'Requests a second on one core (logarithmic)', 'bold'), ...drawn];
};

const barsHeight = (rows: readonly RowResult[]): number =>
  44 + BARS.filter((name) => rows.some((row) => row.name === name && row.rps !== null)).length * (BAR + 6);

/** Lines over percentiles, latency on a logarithmic scale. */
const lines = (rows: readonly RowResult[], top: number): readonly string[] => {
  const shown = LINES.flatMap((name) => rows.filter((row) => row.name === name && row.latencyCurve.length > 0));
  const [first] = shown;
  if (first === undefined) return [];
  const all = shown.flatMap(({ latencyCurve }) => latencyCurve);
  const least = Math.floor(Math.log10(Math.min(...all)));
  const most = Math.ceil(Math.log10(Math.max(...all)));
  const plotTop = top + 34;
  const left = 70;
  const right = WIDTH - 250;
  const x = (index: number): number => left + (index * (right - left)) / (PERCENTILES.length - 1);
  const y = (micros: number): number =>
    plotTop + PLOT_HEIGHT - ((Math.log10(micros) - least) * PLOT_HEIGHT) / (most - least);
  const grid = Array.from({ length: most - least + 1 }, (_, step) => 10 ** (least + step)).flatMap((micros) => [
    line(left, y(micros), right, y(micros)),
    label(left - 8, y(micros) + 4, 'end', micros < 1_000 ? `${micros} us` : `${micros / 1_000} ms`),
  ]);
  const axis = PERCENTILES.map((share, index) =>
    label(x(index), plotTop + PLOT_HEIGHT + 20, 'middle', `p${Number((share * 100).toFixed(1))}`),
  );
  // Names at the lines' ends, pushed apart where lines end close to each other.
  let lastY = Number.NEGATIVE_INFINITY;
  const curves = shown
    .toSorted((a, b) => y(a.latencyCurve.at(-1) ?? 1) - y(b.latencyCurve.at(-1) ?? 1))
    .flatMap(({ name, title, latencyCurve }) => {
      const points = latencyCurve.map((micros, index) => `${x(index).toFixed(1)},${y(micros).toFixed(1)}`).join(' ');
      lastY = Math.max(y(latencyCurve.at(-1) ?? 1) + 4, lastY + 16);
      return [
        `<polyline points="${points}" fill="none" stroke="${colourOf(name)}" stroke-width="2.5"/>`,
        `<text x="${right + 8}" y="${lastY.toFixed(1)}" fill="${colourOf(name)}">${escapeXml(title.slice(0, 34))}</text>`,
      ];
    });
  const heading = `Latency by percentile at ${count(first.openRps ?? 0)} requests a second (logarithmic)`;
  return [label(16, top + 16, 'start', heading, 'bold'), ...grid, ...axis, ...curves];
};

/** Draws the picture; follows the reader's light or dark setting. */
export const drawPicture = (rows: readonly RowResult[]): string => {
  const linesTop = barsHeight(rows) + 24;
  const height = linesTop + PLOT_HEIGHT + 70;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" ${FONT}>`,
    '<title>Requests a second, and latency by percentile, of Assent, its peers and the baselines</title>',
    `<style>${STYLE}</style>`,
    `<rect class="paper" width="${WIDTH}" height="${height}"/>`,
    ...bars(rows, 10),
    ...lines(rows, linesTop),
    '</svg>',
    '',
  ].join('\n');
};
