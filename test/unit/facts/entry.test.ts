import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CachedFacts,
  createEntryMac,
  decodeEntry,
  encodeEntry,
  remainingLife,
  type SharedView,
} from '../../../src/facts/entry.ts';

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
  revision: { epoch: 'js:S:now', seq: 7 },
  readAt: NOW,
  ...change,
});
/** With characters of one to four bytes, and what JSON escapes. */
const manyScripts = entry({
  facts: {
    user: { roles: ['us\u00e9r\n"'], ban: { until: NOW } },
    organization: {
      status: 'present',
      memberRoles: ['\u5f79\u5272', '\u{1f511}'],
      dynamicRoles: [{ role: '},\n"role"', grants: [['\\', '\u2028']] }],
    },
  },
});
const view = { role: 'staff', permissions: ['data:read'] };
const NAME = 'perm:u:o';
const mac = createEntryMac(['the secret of all replicas']);
const encode = (one = entry(), shown: SharedView = view): string => encodeEntry(mac, NAME, one, shown);
const decode = (text: string, name = NAME): CachedFacts | null => decodeEntry(mac, name, text);

describe('an entry in Redis', () => {
  it('an entry shows other services role and permissions, and the facts can be read back', () => {
    expect(JSON.parse(encode())).toMatchObject({ role: 'staff', permissions: ['data:read'] });
    expect(decode(encode())).toEqual(entry());
  });

  it('the form of an entry is that of its version: another form, or facts with other fields, needs another version', () => {
    expect(encode()).toBe(
      '{"assent":{"v":4,"mac":"pBkHsDTAXg8PLCiXQVsv-6foQFeUzDmWDS0Z1ze2KFw","says":{"epoch":"js:S:now","seq":7,' +
        '"readAt":1800000000000,"facts":{"user":{"roles":["user"],"ban":null},"organization":{"status":"present",' +
        '"memberRoles":["staff","__proto__"],"dynamicRoles":[{"role":"night","grants":[["door","open"]]}]}}}},\n' +
        '"role":"staff","permissions":["data:read"]}',
    );
  });

  it('the role and the permissions of an entry are not read back', () => {
    const forged = encode(entry(), { role: 'owner', permissions: ['everything:all'] });
    expect(decode(forged)?.facts.organization?.memberRoles).toEqual(['staff', '__proto__']);
  });

  it.each([
    ['text that is not JSON', '{'],
    ['the empty string', ''],
    ['JSON that is not an object', 'null'],
    ['a value of another program', JSON.stringify(view)],
    ['a later version', encode().replace('"v":4', '"v":5')],
    [
      'the version before',
      '{"assent":{"v":3,"mac":"Dq0ZpVXVFIvFv4f6kHLuV0n_nSq4mw5ncXNSHp3a6jU","says":{"epoch":"js:S:now","seq":7,' +
        '"readAt":1800000000000,"facts":{"user":{"roles":["user"],"ban":null},"organization":{"status":"present",' +
        '"memberRoles":["staff","__proto__"],"dynamicRoles":[{"role":"night","grants":[["door","open"]]}]}}}},\n' +
        '"role":"staff","permissions":["data:read"]}',
    ],
    [
      'the version before that',
      '{"role":"staff","permissions":["data:read"],"assent":{"v":2,"epoch":"js:S:now","seq":7,"readAt":1800000000000,"facts":{"user":null,"organization":null},"mac":"uu2tHO9ybwAK5pGWaDx537dC99m8RFkNFMEk-PjBlIQ"}}',
    ],
    ['a sequence that is not a number', encode().replace('"seq":7', '"seq":"7"')],
    ['facts of another shape', encode().replace('"memberRoles":[', '"memberRoles":[1,')],
    ['arrays within arrays', `{"assent":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
    ['one role more', encode().replace('"memberRoles":[', '"memberRoles":["owner",')],
    ['a later sequence', encode().replace('"seq":7', '"seq":8')],
    ['a later moment', encode().replace(`"readAt":${NOW}`, `"readAt":${NOW + 1}`)],
    [
      'without its ban',
      encode(entry({ facts: { user: { roles: [], ban: { until: null } }, organization: null } })).replace(
        '{"until":null}',
        'null',
      ),
    ],
    ['a MAC of another secret', encodeEntry(createEntryMac(['a guess']), NAME, entry(), view)],
    ['no MAC', encode().replace(/"mac":"[^"]*"/, '"mac":""')],
    ['its own MAC twice', encode().replace(/"mac":("[^"]*")/, '"mac":$1,"mac":$1')],
    [
      'the MAC of another entry',
      encode().replace(/"mac":"[^"]*"/, /"mac":"[^"]*"/.exec(encode(entry({ readAt: 0 })))?.[0] ?? ''),
    ],
    ['a MAC that is not ASCII', encode().replace(/"mac":"[^"]*"/, `"mac":"${'\u00e9'.repeat(43)}"`)],
    ['the same content in another form', JSON.stringify(JSON.parse(encode()))],
    ['other permissions', encode().replace('data:read', 'data:reaD')],
    ['something after it', `${encode()} `],
    ['something before it', ` ${encode()}`],
  ])('a value in Redis is a miss: %s', (_name, text) => {
    expect(text).not.toBe(encode());
    expect(decode(text)).toBeNull();
  });

  it('an entry is a miss under another key, so that no user gets the facts of another user', () => {
    expect(decode(encode(), 'perm:v:o')).toBeNull();
  });

  it('an entry is a miss under a key with the same UTF-8 bytes, where lone surrogates are all the same', () => {
    expect(decode(encodeEntry(mac, 'perm:\ud800:o', entry(), view), 'perm:\ud801:o')).toBeNull();
  });

  it('an entry is verified with any of the keys, and signed with the newest', () => {
    const rotating = createEntryMac(['the next secret', 'the secret of all replicas']);
    expect(decodeEntry(rotating, NAME, encode())).toEqual(entry());
    expect(decode(encodeEntry(rotating, NAME, entry(), view))).toBeNull();
    expect(decodeEntry(createEntryMac(['the next secret']), NAME, encodeEntry(rotating, NAME, entry(), view))).toEqual(
      entry(),
    );
  });

  it('random bytes and random JSON are no entries', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json()), (text) => {
        expect(decode(text)).toBeNull();
      }),
    );
  });

  it('an entry is a miss when one bit is flipped, and when it is cut off', () => {
    const bytes = Buffer.from(encode(manyScripts, { role: 'r\u00f4le', permissions: ['\u{1f511}:read'] }));
    expect(decode(bytes.toString())).toEqual(manyScripts);
    for (const [index, byte] of bytes.entries()) {
      for (let bit = 1; bit < 256; bit *= 2) {
        bytes[index] = byte ^ bit;
        expect(decode(bytes.toString())).toBeNull();
      }
      bytes[index] = byte;
      expect(decode(bytes.subarray(0, index).toString())).toBeNull();
    }
  });

  it('an entry is a miss when any part of it is replaced', () => {
    const genuine = encode(manyScripts);
    fc.assert(
      fc.property(fc.nat(genuine.length), fc.nat(3), fc.string({ maxLength: 3 }), (at, gone, put) => {
        const text = genuine.slice(0, at) + put + genuine.slice(at + gone);
        expect(decode(text)).toEqual(text === genuine ? manyScripts : null);
      }),
    );
  });

  it('an entry keeps facts and shared view, whatever characters the names have', () => {
    const name = fc.string({ unit: 'binary' });
    const names = fc.array(name, { maxLength: 3 });
    const organization = fc.record({
      status: fc.constantFrom('present' as const, 'absent' as const, 'disabled' as const),
      memberRoles: fc.option(names),
      dynamicRoles: fc.array(fc.record({ role: name, grants: fc.array(fc.tuple(name, name)) }), { maxLength: 2 }),
    });
    const user = fc.record({ roles: names, ban: fc.option(fc.record({ until: fc.option(fc.nat()) })) });
    const any = fc.record({
      facts: fc.record({ user: fc.option(user), organization: fc.option(organization) }),
      revision: fc.record({ epoch: name, seq: fc.nat() }),
      readAt: fc.nat(),
    });
    fc.assert(
      fc.property(any, name, names, name, name, (one, role, permissions, key, other) => {
        const text = encodeEntry(mac, key, one, { role, permissions });
        expect(decodeEntry(mac, key, text)).toEqual(one);
        expect(JSON.parse(text)).toMatchObject({ role, permissions });
        expect(decodeEntry(mac, other, text)).toEqual(other === key ? one : null);
      }),
    );
  });
});

describe('remainingLife', () => {
  const TTL = 300_000;
  const banned = (until: number | null) =>
    entry({ facts: { user: { roles: [], ban: { until } }, organization: null } });

  it('the life of facts counts from the read of the database', () => {
    expect(remainingLife(entry(), TTL, NOW)).toBe(TTL);
    expect(remainingLife(entry(), TTL, NOW + 299_000)).toBe(1_000);
    expect(remainingLife(entry(), TTL, NOW + TTL)).toBeLessThanOrEqual(0);
  });

  it('the life of facts never lasts past the end of a ban', () => {
    expect(remainingLife(banned(NOW + 5_000), TTL, NOW)).toBe(5_000);
    expect(remainingLife(banned(null), TTL, NOW)).toBe(TTL);
    expect(remainingLife(banned(NOW + 5_000), TTL, NOW + 5_000)).toBe(0);
    expect(remainingLife(banned(NOW - 1), TTL, NOW)).toBe(TTL);
  });

  it('facts from the future have no life left', () => {
    expect(remainingLife(entry({ readAt: NOW + 1_000 }), TTL, NOW)).toBe(TTL);
    expect(remainingLife(entry({ readAt: NOW + 60_000 }), TTL, NOW)).toBe(0);
  });
});
