import { beforeEach, expect, it } from 'vitest';
import { createInvalidationIndex } from '../../../src/facts/freshness.ts';

let forgotten: number[];
beforeEach(() => {
  forgotten = [];
});
const create = (max: number) =>
  createInvalidationIndex({ rememberMs: 1_000, max, onForget: (seq) => void forgotten.push(seq) });

it('the index remembers the last change of each subject', () => {
  const changes = create(10);
  changes.record('a', 1, 0);
  changes.record('b', 2, 0);
  changes.record('a', 3, 0);
  expect(['a', 'b', 'c'].map((subject) => changes.latest(subject))).toEqual([3, 2, 0]);
  expect(forgotten).toEqual([]);
});

it('the index forgets changes that are too old at the next change, and reports them', () => {
  const changes = create(10);
  changes.record('a', 1, 0);
  changes.record('b', 2, 600);
  changes.record('c', 3, 1_000);
  expect(forgotten).toEqual([]);
  changes.record('d', 4, 1_001);
  expect(forgotten).toEqual([1]);
  expect(['a', 'b'].map((subject) => changes.latest(subject))).toEqual([0, 2]);
});

it('the index forgets the oldest change for lack of room, not the change of the oldest subject', () => {
  const changes = create(2);
  changes.record('a', 1, 0);
  changes.record('b', 2, 0);
  changes.record('a', 3, 0);
  changes.record('c', 4, 0);
  expect(forgotten).toEqual([2]);
  expect(['a', 'b', 'c'].map((subject) => changes.latest(subject))).toEqual([3, 0, 4]);
});
