import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseJsonObject } from '../../../src/token/jws.ts';

const parse = (text: string) => parseJsonObject(new TextEncoder().encode(text));

describe('parseJsonObject', () => {
  it.each([
    ['not JSON', '{'],
    ['empty', ''],
    ['null', 'null'],
    ['an array', '[{"a":1}]'],
    ['a string', '"a"'],
    ['after a byte order mark', '\uFEFF{"a":1}'],
    ['with a member twice', '{"a":1,"a":2}'],
    ['with a member twice, the same value', '{"a":1,"a":1}'],
    ['with a member twice, once escaped', '{"userId":"a","user\\u0049d":"b"}'],
    ['with a member twice, others and nesting between', '{"a":{"x":[1,{"y":2}]},"b":"}:{","a":2}'],
    ['with __proto__ twice', '{"__proto__":1,"__proto__":2}'],
  ])('parseJsonObject refuses a text that is %s', (_name, text) => {
    expect(parse(text)).toBeNull();
  });

  it('parseJsonObject refuses bytes that are not UTF-8', () => {
    expect(parseJsonObject(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).toBeNull();
  });

  it('parseJsonObject accepts a repeated member in a deeper object', () => {
    expect(parse('{"a":{"x":1,"x":2},"b":[{"x":1},{"x":1}],"x":3}')).toEqual({
      a: { x: 2 },
      b: [{ x: 1 }, { x: 1 }],
      x: 3,
    });
  });

  it('parseJsonObject accepts every JSON object, whatever its texts contain', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()),
        fc.nat({ max: 3 }),
        (object, indent) => {
          const text = JSON.stringify(object, null, indent);
          expect(parse(text)).toEqual(JSON.parse(text));
        },
      ),
    );
  });

  it('parseJsonObject refuses every object in which a member is repeated', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 }), fc.jsonValue(), (object, again) => {
        const name = Object.keys(object)[0];
        const text = `${JSON.stringify(object).slice(0, -1)},${JSON.stringify(name)}:${JSON.stringify(again)}}`;
        expect(parse(text)).toBeNull();
      }),
    );
  });
});

describe('exact integers', () => {
  const exact = (text: string) => parseJsonObject(new TextEncoder().encode(text), ['userId', 'organizationId']);

  it.each(['7', '0', '9007199254740991'])('the number %s is read exactly', (number) => {
    expect(exact(`{"userId":${number}}`)).toEqual({ userId: Number(number) });
  });

  // JSON.parse makes 7 of the first three: a check would be about another user.
  it.each(['6.9999999999999999', '7.00000000000000001', '7.0', '7e0', '70E-1', '-0', '-7'])(
    'the number %s becomes NaN because it is not written as an integer',
    (number) => {
      expect(exact(`{"organizationId":${number},"exp":4e9,"a":{"organizationId":5}}`)).toEqual({
        ...{ organizationId: Number.NaN, exp: 4e9, a: { organizationId: 5 } },
      });
    },
  );

  it('numbers of other members and of deeper objects stay as they are', () => {
    expect(exact('{"exp":4e9,"a":{"userId":7.0}}')).toEqual({ exp: 4e9, a: { userId: 7 } });
  });
});
