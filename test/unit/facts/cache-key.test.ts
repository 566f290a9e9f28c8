import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memoryKey, redisKey } from '../../../src/facts/cache-key.ts';

// Ids made of the characters that keys are joined with, so that a collision would be found if there were one.
const short = fc.string({
  unit: fc.constantFrom(':', '%', '{', '}', '3', 'A', 'a', '-', 'ü'),
  minLength: 1,
  maxLength: 6,
});
// And ids about as long as Better Auth's, which the key within a process treats apart.
const BEGINNINGS = ['', 'a', 'Z', '-', ':', '/', '[', '`', '{', ':31:', ':32:', ':33:', '32:', '-:32:'];
const long = fc
  .tuple(fc.constantFrom(...BEGINNINGS), fc.integer({ min: 30, max: 34 }))
  .map(([beginning, length]) => beginning.padEnd(length, 'a'));
const id = fc.oneof(short, long);
const pair = fc.record({ userId: id, organizationId: fc.option(id) });

describe('cache keys', () => {
  it('the Redis key has the form perm:<userId>:<organizationId>', () => {
    expect(redisKey({ userId: 'u1', organizationId: 'o1' })).toBe('perm:u1:o1');
    expect(redisKey({ userId: 'a:b', organizationId: '{c}%' })).toBe('perm:a%3Ab:%7Bc%7D%25');
    expect(redisKey({ userId: 'u1', organizationId: null })).toBe('perm:u1:');
  });

  it.each([
    ['-'.padEnd(32, 'a'), 'a', 'a'.repeat(32), null],
    [':31:'.padEnd(32, 'a'), 'aao', 'a'.repeat(31), 'o'],
  ])(
    'the memory key of the id %s, which has the length of Better Auth’s ids, differs from keys of another form',
    (userId, organizationId, other, where) => {
      expect(memoryKey(userId, organizationId)).not.toBe(memoryKey(other, where));
    },
  );

  it('no two pairs have the same key', () => {
    fc.assert(
      fc.property(pair, pair, (one, other) => {
        const same = one.userId === other.userId && one.organizationId === other.organizationId;
        expect(redisKey(one) === redisKey(other)).toBe(same);
        const memory = [one, other].map((key) => memoryKey(key.userId, key.organizationId));
        expect(memory[0] === memory[1]).toBe(same);
      }),
      { numRuns: 20_000 },
    );
  });
});
