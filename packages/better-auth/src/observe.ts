/**
 * Listens to every write of a Better Auth adapter. The methods of the adapter itself are replaced: a wrapper beside it
 * would be unknown to plugins that took hold of the adapter before, and to Better Auth's own schema check, which knows
 * adapters by identity.
 */
import type { DBAdapter, DBTransactionAdapter } from 'better-auth';
import { type Change, combine, RESYNC } from './change.ts';
import type { Model, Models } from './models.ts';
import { mayHaveBeenDone } from './outcome.ts';
import {
  type Condition,
  changeOf,
  isRelevant,
  type Kind,
  movesRow,
  pinnedBy,
  type Row,
  wideChange,
} from './touched.ts';

/** Takes the changes of a write or a transaction, after its commit; the write returns once it settles. Must not fail. */
export type Sink = (changes: readonly Change[]) => void | Promise<void>;

type Adapter = DBAdapter | DBTransactionAdapter;

/** More rows than this are not looked at one by one: one change that covers them all is cheaper for everybody. */
const MAX_ROWS = 100;

const rowOf = (value: unknown): Row => (typeof value === 'object' && value !== null ? { ...value } : {});

/** What a write of the rows with these fields changes, as far as the fields say it. */
const inAdvance = (model: Model, kind: Kind, pinned: Row): Change | null => {
  const exact = changeOf(model, kind, pinned);
  if (exact !== null || pinned['id'] !== undefined) return exact;
  // All members of an organization or of a user: were they looked up, one who joins meanwhile would be missed.
  const wide = wideChange(model, pinned);
  return wide === RESYNC ? null : wide;
};

/** Whether rows came to match between the look and the write: it counts more of them, or returns one that was not there. */
const isMore = (found: readonly Row[], result: unknown): boolean => {
  if (typeof result === 'number') return result > found.length;
  const { id } = rowOf(result);
  return id !== undefined && !found.some((row) => row['id'] === id);
};

/** Runs a write; `after` says what it changed, given its result, or nothing when it failed and may have been done. */
const tell = async <T>(sink: Sink, work: () => Promise<T>, after: (result?: T) => readonly Change[]): Promise<T> => {
  let result: T;
  try {
    result = await work();
  } catch (error) {
    if (mayHaveBeenDone(error)) await sink(after());
    throw error;
  }
  await sink(after(result));
  return result;
};

/** Replaces the writing methods of an adapter by ones that tell `sink`. */
export const observeAdapter = (adapter: Adapter, models: Models, sink: Sink): void => {
  const { create, update, updateMany, delete: deleteOne, deleteMany, consumeOne, incrementOne } = adapter;

  /** The rows that a write is about to touch; null when that cannot be said. */
  const lookUp = async (model: string, where: readonly Condition[]): Promise<readonly Row[] | null> => {
    try {
      const rows = await adapter.findMany({ model, where: [...where] as never, limit: MAX_ROWS + 1 });
      return rows.length > MAX_ROWS ? null : rows.map(rowOf);
    } catch {
      // The write itself will say what is wrong.
      return null;
    }
  };
  const changesOf = (model: Model, kind: Kind, rows: readonly Row[] | null, pinned: Row): readonly Change[] =>
    rows === null
      ? [wideChange(model, pinned)]
      : rows.map((row) => changeOf(model, kind, { ...row, ...pinned }) ?? wideChange(model, pinned));

  /** Updates and deletions whose result does not say whom they touched: looked up before, unless the conditions tell. */
  const bulk = async <T>(
    kind: Kind,
    { model: name, where }: { readonly model: string; readonly where: readonly Condition[] },
    moves: boolean,
    work: () => Promise<T>,
  ): Promise<T> => {
    const model = models.find(name);
    if (model === null) return work();
    const pinned = pinnedBy(models, model, where);
    const known = moves ? RESYNC : inAdvance(model, kind, pinned);
    const rows = known === null ? await lookUp(name, where) : null;
    return tell(sink, work, (result) => {
      // A count of none is not taken for it: there are drivers whose rows the adapters cannot count.
      if (known !== null) return [known];
      return changesOf(model, kind, rows === null || isMore(rows, result) ? null : rows, pinned);
    });
  };

  /** Updates of one row, which they return. */
  const single = async <T>(
    kind: Kind,
    { model: name, where }: { readonly model: string; readonly where: readonly Condition[] },
    fields: readonly string[] | null,
    work: () => Promise<T | null>,
  ): Promise<T | null> => {
    const model = models.find(name);
    if (model === null || (fields !== null && !isRelevant(models, model, fields))) return work();
    const pinned = pinnedBy(models, model, where);
    const before = fields !== null && movesRow(models, model, fields) ? await lookUp(name, where) : [];
    return tell(sink, work, (result) => {
      if (result === null) return [];
      const row = result === undefined ? pinned : { ...pinned, ...rowOf(result) };
      return [...changesOf(model, kind, before, {}), changeOf(model, kind, row) ?? wideChange(model, pinned)];
    });
  };

  adapter.create = async (input) => {
    const model = models.find(input.model);
    const work = (): Promise<never> => create.call(adapter, input) as Promise<never>;
    if (model === null) return work();
    const data = rowOf(input.data);
    return tell(sink, work, (result) => [changeOf(model, 'create', { ...data, ...rowOf(result) }) ?? RESYNC]);
  };
  adapter.update = async (input) => {
    const model = models.find(input.model);
    const fields = Object.keys(input.update);
    const work = (): Promise<never> => update.call(adapter, input) as Promise<never>;
    if (model === null || !isRelevant(models, model, fields)) return work();
    // Adapters update every row that the conditions find, and return the first.
    if ('id' in pinnedBy(models, model, input.where)) return single('update', input, fields, work);
    return bulk('update', input, movesRow(models, model, fields), work);
  };
  adapter.delete = (input) => bulk('delete', input, false, () => deleteOne.call(adapter, input));
  adapter.deleteMany = (input) => bulk('delete', input, false, () => deleteMany.call(adapter, input));
  adapter.updateMany = async (input) => {
    const model = models.find(input.model);
    const fields = Object.keys(input.update);
    const work = (): Promise<number> => updateMany.call(adapter, input);
    if (model === null || !isRelevant(models, model, fields)) return work();
    return bulk('update', input, movesRow(models, model, fields), work);
  };
  if (typeof consumeOne === 'function') {
    adapter.consumeOne = (input) =>
      single('delete', input, null, () => consumeOne.call(adapter, input) as Promise<never>);
  }
  if (typeof incrementOne === 'function') {
    adapter.incrementOne = (input) =>
      single(
        'update',
        input,
        [...Object.keys(input.increment), ...Object.keys(input.set ?? {})],
        () => incrementOne.call(adapter, input) as Promise<never>,
      );
  }
  if ('transaction' in adapter) observeTransactions(adapter, models, sink);
};

const observeTransactions = (adapter: DBAdapter, models: Models, sink: Sink): void => {
  const { transaction } = adapter;
  adapter.transaction = async (callback) => {
    let changes: Change[] = [];
    let finished = false;
    try {
      const result = await transaction.call(adapter, async (inner) => {
        // Begins anew when the adapter runs the callback again.
        changes = [];
        finished = false;
        // Adapters without transactions hand out themselves; their writes are told of at once, since they stay.
        if (inner !== adapter) observeAdapter(inner, models, (more) => void changes.push(...more));
        const value = await callback(inner);
        finished = true;
        return value;
      });
      await sink(combine(changes));
      return result as never;
    } catch (error) {
      // The callback was through: it is the commit that failed, and nobody knows whether it was done.
      if (finished && mayHaveBeenDone(error)) await sink(combine(changes));
      throw error;
    }
  };
};
