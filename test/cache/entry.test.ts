import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CachedFacts,
  createEntrySeal,
  decodeEntry,
  encodeEntry,
  remainingLife,
  type SharedView,
} from '../../src/cache/entry.ts';

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
const NAME = 'perm:u:o';
const seal = createEntrySeal('the secret of all replicas');
const encode = (one = entry(), shown: SharedView = view): string => encodeEntry(seal, NAME, one, shown);
const decode = (text: string, name = NAME): CachedFacts | null => decodeEntry(seal, name, text);

describe('an entry in Redis', () => {
  it('shows other services role and permissions, and reads its own part back', () => {
    expect(JSON.parse(encode())).toMatchObject({ role: 'staff', permissions: ['data:read'] });
    expect(decode(encode())).toEqual(entry());
  });

  it('never reads role and permissions back', () => {
    const forged = encode(entry(), { role: 'owner', permissions: ['everything:all'] });
    expect(decode(forged)?.facts.organization?.memberRoles).toEqual(['staff', '__proto__']);
  });

  it.each([
    ['no JSON', '{'],
    ['nothing', ''],
    ['no object', 'null'],
    ['an entry of somebody else', JSON.stringify(view)],
    ['another version', encode().replace('"v":2', '"v":1')],
    ['no epoch', encode(entry({ stamp: { epoch: '', seq: 1 } }))],
    ['a sequence that is none', encode().replace('"seq":7', '"seq":"7"')],
    ['facts of another shape', encode().replace('"memberRoles":[', '"memberRoles":[1,')],
    ['arrays within arrays', `{"assent":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
    ['a role more', encode().replace('"memberRoles":[', '"memberRoles":["owner",')],
    ['a later position', encode().replace('"seq":7', '"seq":8')],
    ['a later moment', encode().replace(`"readAt":${NOW}`, `"readAt":${NOW + 1}`)],
    [
      'a ban less',
      encode(entry({ facts: { user: { roles: [], ban: { until: null } }, organization: null } })).replace(
        '{"until":null}',
        'null',
      ),
    ],
    ['a code of another secret', encodeEntry(createEntrySeal('a guess'), NAME, entry(), view)],
    ['no code', encode().replace(/,"mac":"[^"]*"/, '')],
  ])('is a miss: %s', (_name, text) => {
    expect(text).not.toBe(encode());
    expect(decode(text)).toBeNull();
  });

  it('is a miss under another key: nobody gets the facts of somebody else', () => {
    expect(decode(encode(), 'perm:v:o')).toBeNull();
  });

  it('is never made of any bytes, nor of a genuine entry with any bytes in it', () => {
    const genuine = encode();
    const said = JSON.stringify(decode(genuine));
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json()), (text) => {
        expect(decode(text)).toBeNull();
      }),
    );
    fc.assert(
      fc.property(fc.nat(genuine.length - 1), fc.nat(3), fc.string({ maxLength: 3 }), (at, gone, put) => {
        const read = decode(genuine.slice(0, at) + put + genuine.slice(at + gone));
        // What differs only outside of what is sealed says the same.
        expect(read === null || JSON.stringify(read) === said).toBe(true);
      }),
    );
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
