/** What holds for the line whatever calls come, join, leave and end, in whatever order. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Line, type LineCall, type LineEffect, type ReadEnd, type WaitingRead } from '../../../src/admission/line.ts';

const CONNECTIONS = 3;
const WAIT_MS = 500;
/** After so long without an answer PostgreSQL counts as silent. */
const SILENT_MS = 500;

const call = fc.nat(7);
const index = fc.nat(50);
const operation = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('enter' as const),
      calls: fc.uniqueArray(call, { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('join' as const), index, call }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('part' as const), index }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const), index }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('end' as const),
      index,
      how: fc.constantFrom<ReadEnd[]>('answered', 'failed', 'abandoned'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(300) }) },
);

type Read = WaitingRead<number>;

it('each read begins once, is refused once or leaves, no connection is idle beside a waiting read, and no call waits for a silent PostgreSQL beyond the limit', () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 300 }), (operations) => {
      const line = new Line<number>({ connections: CONNECTIONS, stallWaitMs: WAIT_MS, overloadWaitMs: 100 });
      const calls = Array.from({ length: 8 }, (_, number): LineCall => {
        return { name: 'abc'[number % 3] ?? null };
      });
      const waiting = new Map<Read, Map<LineCall, number>>();
      const running = new Set<Read>();
      const over = new Set<Read>();
      let now = 0;
      let answeredAt = Number.NEGATIVE_INFINITY;
      let entered = 0;

      const pick = <Value>(values: Iterable<Value>, at: number): Value | undefined => {
        const all = [...values];
        return all[at % Math.max(1, all.length)];
      };
      const perform = (effects: readonly LineEffect<number>[]): void => {
        for (const { kind, read } of effects) {
          expect(waiting.delete(read)).toBe(true);
          (kind === 'begin' ? running : over).add(read);
        }
      };
      const end = (read: Read, how: ReadEnd): void => {
        running.delete(read);
        over.add(read);
        if (how === 'answered') answeredAt = now;
        perform(line.end(how, now));
      };

      for (const one of operations) {
        if (one.kind === 'enter') {
          const wanted = one.calls.flatMap((number) => calls[number] ?? []);
          const { read, effects } = line.enter(entered, wanted, now);
          entered += 1;
          waiting.set(read, new Map(wanted.map((each) => [each, now])));
          perform(effects);
        } else if (one.kind === 'join') {
          const [read, joined] = pick(waiting, one.index) ?? [];
          const joining = calls[one.call];
          if (read !== undefined && joined !== undefined && joining !== undefined && !joined.has(joining)) {
            line.join(read, joining, now);
            joined.set(joining, now);
          }
        } else if (one.kind === 'part') {
          const [read, joined] = pick(waiting, one.index) ?? [];
          const [parting] = joined?.keys() ?? [];
          if (read !== undefined && parting !== undefined && (joined?.size ?? 0) > 1) {
            line.part(read, parting);
            joined?.delete(parting);
          }
        } else if (one.kind === 'leave') {
          const read = pick(waiting.keys(), one.index);
          if (read !== undefined) {
            line.leave(read);
            waiting.delete(read);
            over.add(read);
          }
        } else if (one.kind === 'end') {
          const read = pick(running, one.index);
          if (read !== undefined) end(read, one.how);
        } else {
          now += one.ms;
          perform(line.sweep(now));
          for (const joined of waiting.values()) {
            const came = Math.max(...joined.values(), answeredAt + SILENT_MS);
            // Calls that have had a turn may stand behind calls whose last turn was later, for as long as that wait.
            expect(now - came).toBeLessThanOrEqual(2 * WAIT_MS + 300);
          }
        }
        expect([line.running, line.waiting]).toEqual([running.size, waiting.size]);
        expect(running.size).toBeLessThanOrEqual(CONNECTIONS);
        if (waiting.size > 0) expect(running.size).toBe(CONNECTIONS);
      }
      for (let read = pick(running, 0); read !== undefined; read = pick(running, 0)) end(read, 'answered');
      expect(waiting.size).toBe(0);
      expect(over.size).toBe(entered);
    }),
    { numRuns: Number(process.env['ASSENT_PROPERTY_RUNS'] ?? 300) },
  );
});
