import { expect, it } from 'vitest';
import { createMemoryStore } from '../../../src/facts/memory.ts';
import { factsOf } from '../../support/facts/harness.ts';

const NOW = 1_800_000_000_000;
const entry = (role: string, expiresAt = 1_000.75, epoch = 'e') => ({
  ...{ facts: factsOf(role), revision: { epoch, seq: 7 }, readAt: NOW, expiresAt },
});

it('memory holds at most the given number of entries and drops the least recently used first', () => {
  const memory = createMemoryStore(3);
  for (const key of ['a', 'b', 'c']) memory.set(key, entry(key));
  memory.get('a');
  memory.set('d', entry('d'));
  expect(memory.size()).toBe(3);
  expect(['a', 'b', 'c', 'd'].filter((key) => memory.get(key) !== undefined)).toEqual(['a', 'c', 'd']);
  memory.clear();
  expect(memory.size()).toBe(0);
});

it('memory returns the entry that it was given, and never lengthens its life', () => {
  const memory = createMemoryStore(3);
  memory.set('a', entry('admin'));
  const found = memory.get('a');
  expect(found?.facts).toEqual(factsOf('admin'));
  expect({ epoch: found?.revision.epoch, seq: found?.revision.seq }).toEqual({ epoch: 'e', seq: 7 });
  expect({ readAt: found?.readAt, expiresAt: found?.expiresAt }).toEqual({ readAt: NOW, expiresAt: 1_000 });
});

it('memory keeps equal facts once, and each entry with the epoch of its read', () => {
  const memory = createMemoryStore(3);
  memory.set('a', entry('admin'));
  memory.set('b', entry('admin'));
  memory.set('c', entry('admin', 1_000, 'later'));
  expect(memory.get('b')?.facts).toBe(memory.get('a')?.facts);
  expect(['a', 'b', 'c'].map((key) => memory.get(key)?.revision.epoch)).toEqual(['e', 'e', 'later']);
});

it('memory keeps no facts that are too large, and drops the entry that they replace', () => {
  const memory = createMemoryStore(3);
  const large = factsOf(Array.from({ length: 5_000 }, (_unused, index) => `role-${index}`).join());
  memory.set('a', entry('admin'));
  memory.set('a', { ...entry('admin'), facts: large });
  expect(memory.get('a')).toBeUndefined();
  expect(memory.size()).toBe(0);
});
