import { describe, expect, it } from 'vitest';
import { buildGoCaller } from '../../../bench/kits/callers.ts';
import { kitRows } from '../../../bench/kits/rows.ts';
import { compare } from '../../../bench/ratios.ts';
import type { RowResult } from '../../../bench/rounds.ts';
import { RowUnavailable } from '../../../bench/row.ts';
import type { Load } from '../../../bench/rpc-row.ts';
import { leftOutLines, rowsTable } from '../../../bench/table.ts';
import type { World } from '../../../bench/world.ts';

const NAMES = [
  'grpc-js/bare',
  'kit/ts/check',
  'kit/ts/check/unbatched',
  'grpc-js/bare/64',
  'kit/ts/64',
  'kit/ts/64/unbatched',
  'grpc-go/bare',
  'kit/go/check',
  'kit/go/check/unbatched',
  'grpc-go/bare/64',
  'kit/go/64',
  'kit/go/64/unbatched',
];
const NO_EXTRAS = { startSeconds: null, millionEntriesMegabytes: null };

describe('the rows of the kits', () => {
  it('stand beside bare calls of their gRPC library, and start nothing before they are measured', () => {
    const never = (): Promise<never> => Promise.reject(new Error('was started'));
    const load = { cores: '0', folder: '/nowhere', seconds: 1, stack: new AsyncDisposableStack() } as unknown as Load;
    expect(kitRows({} as World, never, load).map(({ name }) => name)).toEqual(NAMES);
  });

  it('of Go are unavailable where Go is missing', async () => {
    await expect(buildGoCaller('/nowhere', { PATH: '/nowhere' })).rejects.toThrow(RowUnavailable);
  });

  it('that have the same cause to be left out are named in one line', () => {
    const leftOut = NAMES.slice(6).map((name) => ({ name, title: name, why: 'Go is not installed' }));
    expect(leftOutLines(leftOut)).toEqual([`left out: ${NAMES.slice(6).join(', ')}: Go is not installed`]);
  });

  it('say how many callers ask at once', () => {
    const table = rowsTable([row('kit/ts/check', {}), { ...row('kit/ts/64', {}), callers: 64 }], []);
    expect(table).toContain('one by one');
    expect(table).toContain('64 at once');
  });
});

describe('the figures of the kits', () => {
  it('are compared with bare calls and without batching', () => {
    const results = [
      row('grpc-js/bare', { cpuMicros: 100 }),
      row('kit/ts/check', { cpuMicros: 110, p50Micros: 104, p99Micros: 160 }),
      row('kit/ts/check/unbatched', { cpuMicros: 90, p50Micros: 100, p99Micros: 100 }),
      row('grpc-js/bare/64', { cpuMicros: 50 }),
      row('kit/ts/64', { rps: 50_000 }),
      row('kit/ts/64/unbatched', { rps: 10_000, cpuMicros: 60 }),
    ];
    expect(ofKit('ts', results)).toEqual([
      ['tsKitCpu', 1.1, 1.15, true],
      ['tsKitCpu64', 1.2, 1.15, false],
      ['tsKitBatching', 5, 4, true],
      ['tsKitP50', 1.04, 1.05, true],
      ['tsKitP99', 1.6, 1.5, false],
    ]);
  });

  it('of Go are null where its rows were not measured, and have its limits', () => {
    expect(ofKit('go', [])).toEqual([
      ['goKitCpu', null, 1.1, null],
      ['goKitCpu64', null, 1.1, null],
      ['goKitBatching', null, 4, null],
      ['goKitP50', null, 1.05, null],
      ['goKitP99', null, 1.5, null],
    ]);
  });
});

function ofKit(kit: string, results: readonly RowResult[]): readonly unknown[] {
  return compare(results, NO_EXTRAS)
    .filter(({ name }) => name.startsWith(`${kit}Kit`))
    .map(({ name, value, limit, reached }) => [name, value, limit, reached]);
}

function row(name: string, figures: Partial<RowResult>): RowResult {
  return {
    name,
    title: name,
    decisions: 1,
    rps: 1,
    cpuMicros: 1,
    p50Micros: 1,
    p99Micros: 1,
    openRps: null,
    errors: 0,
    spread: 0,
    cpuSpread: 0,
    latencyCurve: [],
    rounds: [],
    ...figures,
  };
}
