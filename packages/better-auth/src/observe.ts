/**
 * Reports every write of a Better Auth adapter. It replaces the methods of the adapter itself. A wrapper object would miss
 * the writes of plugins that keep an earlier reference to the adapter, and would fail Better Auth's own schema check, which
 * compares adapters by identity.
 */
import type { DBAdapter, DBTransactionAdapter } from 'better-auth';
import {
  broadChange,
  type Condition,
  changeOf,
  equalityConditions,
  isRelevant,
  movesRow,
  type Row,
  type Write,
} from './affected-rows.ts';
import { isAmbiguousFailure } from './ambiguous-failure.ts';
import { type Change, combine, RESYNC } from './change.ts';
import type { Model, Models } from './models.ts';

/** Takes the changes of a write or a transaction, after its commit; the write returns once it settles. Must not fail. */
export type Sink = (changes: readonly Change[]) => void | Promise<void>;

type Adapter = DBAdapter | DBTransactionAdapter;

/** The part of an adapter's input that says which rows a write affects. */
interface Target {
  readonly model: string;
  readonly where: readonly Condition[];
}

/** What an observed adapter shares with all of its writes. */
interface Observed {
  readonly adapter: Pick<Adapter, 'findMany'>;
  readonly models: Models;
  readonly sink: Sink;
}

/** One call of a writing method. */
interface WriteCall<T> {
  readonly write: Write;
  readonly target: Target;
  /** The updated fields; null for a deletion. */
  readonly fields: readonly string[] | null;
  /** The adapter's own method. */
  readonly work: () => Promise<T>;
}

/** With more affected rows than this, one change that covers them all is cheaper than an event for each. */
const MAX_ROWS = 100;

/** Replaces the writing methods of an adapter by ones that report to `sink`. */
export function observeAdapter(adapter: Adapter, models: Models, sink: Sink): void {
  const { create, update, updateMany, delete: deleteOne, deleteMany, consumeOne, incrementOne } = adapter;
  const observed: Observed = { adapter, models, sink };

  adapter.create = async (input) => {
    const work = (): Promise<never> => create.call(adapter, input) as Promise<never>;
    const model = models.find(input.model);
    if (model === null) return work();
    const data = rowOf(input.data);
    return report(sink, work, (result) => [changeOf(model, 'create', { ...data, ...rowOf(result) }) ?? RESYNC]);
  };
  adapter.update = async (input) => {
    const fields = Object.keys(input.update);
    const work = (): Promise<never> => update.call(adapter, input) as Promise<never>;
    const model = models.find(input.model);
    if (model === null || !isRelevant(models, model, fields)) return work();
    // Adapters update every row that the conditions find, and return the first.
    return 'id' in equalityConditions(models, model, input.where)
      ? writeOne(observed, { write: 'update', target: input, fields, work })
      : writeMany(observed, { write: 'update', target: input, fields, work });
  };
  adapter.updateMany = async (input) => {
    const fields = Object.keys(input.update);
    const work = (): Promise<number> => updateMany.call(adapter, input);
    return writeMany(observed, { write: 'update', target: input, fields, work });
  };
  adapter.delete = (input) => {
    const work = (): Promise<void> => deleteOne.call(adapter, input);
    return writeMany(observed, { write: 'delete', target: input, fields: null, work });
  };
  adapter.deleteMany = (input) => {
    const work = (): Promise<number> => deleteMany.call(adapter, input);
    return writeMany(observed, { write: 'delete', target: input, fields: null, work });
  };
  // Only newer versions of Better Auth have these two.
  if (typeof consumeOne === 'function') {
    adapter.consumeOne = (input) => {
      const work = (): Promise<never> => consumeOne.call(adapter, input) as Promise<never>;
      return writeOne(observed, { write: 'delete', target: input, fields: null, work });
    };
  }
  if (typeof incrementOne === 'function') {
    adapter.incrementOne = (input) => {
      const fields = [...Object.keys(input.increment), ...Object.keys(input.set ?? {})];
      const work = (): Promise<never> => incrementOne.call(adapter, input) as Promise<never>;
      return writeOne(observed, { write: 'update', target: input, fields, work });
    };
  }
  if ('transaction' in adapter) observeTransactions(adapter, models, sink);
}

/** Reports the writes of a transaction together, after its commit. */
function observeTransactions(adapter: DBAdapter, models: Models, sink: Sink): void {
  const { transaction } = adapter;
  adapter.transaction = async (callback) => {
    let changes: Change[] = [];
    let finished = false;
    try {
      const result = await transaction.call(adapter, async (inner) => {
        // Begins anew when the adapter runs the callback again.
        changes = [];
        finished = false;
        // Adapters without transactions hand out themselves: their writes are permanent, and are reported at once.
        if (inner !== adapter) observeAdapter(inner, models, (more) => void changes.push(...more));
        const value = await callback(inner);
        finished = true;
        return value;
      });
      await sink(combine(changes));
      return result as never;
    } catch (error) {
      // The callback had ended, so that the commit failed; whether it was done is not known.
      if (finished && isAmbiguousFailure(error)) await sink(combine(changes));
      throw error;
    }
  };
}

/** A write whose result does not name the rows that it affected. They are read before it, unless the conditions name them. */
async function writeMany<T>({ adapter, models, sink }: Observed, call: WriteCall<T>): Promise<T> {
  const { write, target, fields, work } = call;
  const model = models.find(target.model);
  if (model === null || (fields !== null && !isRelevant(models, model, fields))) return work();
  const conditions = equalityConditions(models, model, target.where);
  const moves = fields !== null && movesRow(models, model, fields);
  const known = moves ? RESYNC : changeInAdvance(model, write, conditions);
  const rows = known === null ? await readRows(adapter, target) : null;
  return report(sink, work, (result) => {
    // A count of zero is not trusted: some drivers do not report how many rows a statement changed.
    if (known !== null) return [known];
    return changesOf(model, write, rows === null || hasMoreThan(rows, result) ? null : rows, conditions);
  });
}

/** A write of one row, which it returns. */
async function writeOne<T>({ adapter, models, sink }: Observed, call: WriteCall<T | null>): Promise<T | null> {
  const { write, target, fields, work } = call;
  const model = models.find(target.model);
  if (model === null || (fields !== null && !isRelevant(models, model, fields))) return work();
  const conditions = equalityConditions(models, model, target.where);
  const before = fields !== null && movesRow(models, model, fields) ? await readRows(adapter, target) : [];
  return report(sink, work, (result) => {
    if (result === null) return [];
    const row = result === undefined ? conditions : { ...conditions, ...rowOf(result) };
    return [...changesOf(model, write, before, {}), changeOf(model, write, row) ?? broadChange(model, conditions)];
  });
}

/** Runs a write and reports what it changed, given its result, or without a result after an ambiguous failure. */
async function report<T>(sink: Sink, work: () => Promise<T>, changes: (result?: T) => readonly Change[]): Promise<T> {
  let result: T;
  try {
    result = await work();
  } catch (error) {
    if (isAmbiguousFailure(error)) await sink(changes());
    throw error;
  }
  await sink(changes(result));
  return result;
}

/** The rows that a write is about to affect; null when they are too many or cannot be read. */
async function readRows(adapter: Observed['adapter'], { model, where }: Target): Promise<readonly Row[] | null> {
  try {
    const rows = await adapter.findMany({ model, where: [...where] as never, limit: MAX_ROWS + 1 });
    return rows.length > MAX_ROWS ? null : rows.map(rowOf);
  } catch {
    // The write itself fails with the reason.
    return null;
  }
}

/** The change of a write, when its equality conditions alone name it. */
function changeInAdvance(model: Model, write: Write, conditions: Row): Change | null {
  const exact = changeOf(model, write, conditions);
  if (exact !== null || conditions['id'] !== undefined) return exact;
  // All members of an organization or of a user: a read would miss a member who joins between the read and the write.
  const broad = broadChange(model, conditions);
  return broad === RESYNC ? null : broad;
}

/** @param rows The affected rows; null when they are not known. */
function changesOf(model: Model, write: Write, rows: readonly Row[] | null, conditions: Row): readonly Change[] {
  if (rows === null) return [broadChange(model, conditions)];
  return rows.map((row) => changeOf(model, write, { ...row, ...conditions }) ?? broadChange(model, conditions));
}

/** Whether rows came to match between the read and the write: the write counts more, or returns one that was not read. */
function hasMoreThan(rows: readonly Row[], result: unknown): boolean {
  if (typeof result === 'number') return result > rows.length;
  const { id } = rowOf(result);
  return id !== undefined && !rows.some((row) => row['id'] === id);
}

function rowOf(value: unknown): Row {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
