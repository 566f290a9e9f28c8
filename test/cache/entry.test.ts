import { describe, expect, it } from 'vitest';
import { type CachedFacts, decodeEntry, encodeEntry, remainingLife } from '../../src/cache/entry.ts';

const NOW = 1_800_000_000_000;
const entry = (change: Partial<CachedFacts> = {}): CachedFacts => ({
  facts: {
    user: { roles: ['user'], ban: null },
    organization: {
      status: 'present',
      memberRoles: ['staff', '__proto__'],
      dynamicRoles: [{ role: 'night', grants: [['door', 'open']] }],
    },
  },
  stamp: { epoch: 'js:S:now', seq: 7 },
  readAt: NOW,
  ...change,
});
const view = { role: 'staff', permissions: ['data:read'] };

describe('an entry in Redis', () => {
  it('shows other services role and permissions, and reads its own part back', () => {
    const text = encodeEntry(entry(), view);
    expect(JSON.parse(text)).toMatchObject({ role: 'staff', permissions: ['data:read'] });
    expect(decodeEntry(text)).toEqual(entry());
  });

  it('never reads role and permissions back', () => {
    const forged = encodeEntry(entry(), { role: 'owner', permissions: ['everything:all'] });
    expect(decodeEntry(forged)?.facts.organization?.memberRoles).toEqual(['staff', '__proto__']);
  });

  it.each([
    ['no JSON', '{'],
    ['an entry of somebody else', JSON.stringify(view)],
    ['another version', encodeEntry(entry(), view).replace('"v":1', '"v":2')],
    ['no epoch', encodeEntry(entry({ stamp: { epoch: '', seq: 1 } }), view)],
    ['a sequence that is none', encodeEntry(entry(), view).replace('"seq":7', '"seq":"7"')],
    ['facts of another shape', encodeEntry(entry(), view).replace('"memberRoles":[', '"memberRoles":[1,')],
  ])('is a miss: %s', (_name, text) => {
    expect(decodeEntry(text)).toBeNull();
  });
});

describe('remainingLife', () => {
  const TTL = 300_000;
  const banned = (until: number | null) =>
    entry({ facts: { user: { roles: [], ban: { until } }, organization: null } });

  it('counts from the read of the database', () => {
    expect(remainingLife(entry(), TTL, NOW)).toBe(TTL);
    expect(remainingLife(entry(), TTL, NOW + 299_000)).toBe(1_000);
    expect(remainingLife(entry(), TTL, NOW + TTL)).toBeLessThanOrEqual(0);
  });

  it('never lasts past the end of a ban', () => {
    expect(remainingLife(banned(NOW + 5_000), TTL, NOW)).toBe(5_000);
    expect(remainingLife(banned(null), TTL, NOW)).toBe(TTL);
    expect(remainingLife(banned(NOW + 5_000), TTL, NOW + 5_000)).toBe(0);
    expect(remainingLife(banned(NOW - 1), TTL, NOW)).toBe(TTL);
  });

  it('does not trust an age from the future', () => {
    expect(remainingLife(entry({ readAt: NOW + 1_000 }), TTL, NOW)).toBe(TTL);
    expect(remainingLife(entry({ readAt: NOW + 60_000 }), TTL, NOW)).toBe(0);
  });
});
