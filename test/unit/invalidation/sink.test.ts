/** The parts that an event passes, and their order. */
import { expect, it } from 'vitest';
import { deleteChangedKeys } from '../../../src/facts/delete-changed-keys.ts';
import { type InvalidationSink, inOrder } from '../../../src/invalidation/sink.ts';

it('every part gets each call in the given order, and a part may leave calls out', () => {
  const calls: unknown[][] = [];
  const part = (name: string): InvalidationSink => ({
    begin: (...all) => void calls.push([name, 'begin', ...all]),
    skipTo: (...all) => void calls.push([name, 'skipTo', ...all]),
    apply: (...all) => void calls.push([name, 'apply', ...all]),
    renewLease: (...all) => void calls.push([name, 'renewLease', ...all]),
  });
  const sink = inOrder(
    part('first'),
    { apply: (...all) => void calls.push(['second', 'apply', ...all]) },
    part('third'),
  );
  sink.begin('e', 1, 't', 'h');
  sink.skipTo(2, null);
  sink.apply(3, { kind: 'everything' }, 't3');
  sink.renewLease(4);
  expect(calls).toEqual([
    ['first', 'begin', 'e', 1, 't', 'h'],
    ['third', 'begin', 'e', 1, 't', 'h'],
    ['first', 'skipTo', 2, null],
    ['third', 'skipTo', 2, null],
    ['first', 'apply', 3, { kind: 'everything' }, 't3'],
    ['second', 'apply', 3, { kind: 'everything' }, 't3'],
    ['third', 'apply', 3, { kind: 'everything' }, 't3'],
    ['first', 'renewLease', 4],
    ['third', 'renewLease', 4],
  ]);
});

it('the Redis key of a changed pair is deleted, and no key for any other change', () => {
  const deleted: string[] = [];
  const { apply } = deleteChangedKeys({
    get: async () => null,
    set: () => {},
    delete: (key) => void deleted.push(key),
  });
  apply(1, { kind: 'pair', userId: 'u', organizationId: 'o' });
  apply(2, { kind: 'user', userId: 'u' });
  apply(3, { kind: 'organization', organizationId: 'o' });
  apply(4, { kind: 'everything' });
  apply(5, null);
  expect(deleted).toEqual(['perm:u:o']);
});
