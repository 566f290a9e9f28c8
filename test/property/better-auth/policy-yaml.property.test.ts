/** The exporter's own YAML, against the parser that Assent reads policy files with. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDocument, stringify } from 'yaml';
import { readPolicy } from '../../../packages/better-auth/src/policy/read-policy.ts';
import { readYaml } from '../../../packages/better-auth/src/policy/read-yaml.ts';
import { writePolicy } from '../../../packages/better-auth/src/policy/write-policy.ts';
import type { Value } from '../../../packages/better-auth/src/policy/yaml-value.ts';
import { parsePolicy } from '../../../src/policy/policy-file.ts';

const name = fc.oneof(
  fc.constantFrom(
    'viewer',
    '__proto__',
    'constructor',
    'true',
    'no',
    '1',
    '1e3',
    '0x1f',
    '~',
    '-',
    '- a',
    'a: b',
    '#',
    'a #b',
  ),
  fc.constantFrom(
    "it's",
    '"',
    '\\',
    '{',
    '[a]',
    '&a',
    '*a',
    '!t',
    '|',
    '>',
    '%',
    '@',
    '`',
    '?',
    '? a',
    ',',
    'é ü',
    '.5',
    '---',
  ),
  fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme' }),
);
const tree = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    name,
    fc.array(name, { maxLength: 4 }),
    fc.dictionary(name, tie('value'), { maxKeys: 4, noNullPrototype: false }),
  ),
})).value;
const style = fc.record({
  collectionStyle: fc.constantFrom('any' as const, 'flow' as const, 'block' as const),
  defaultKeyType: fc.constantFrom('PLAIN' as const, 'QUOTE_DOUBLE' as const, 'QUOTE_SINGLE' as const),
  defaultStringType: fc.constantFrom('PLAIN' as const, 'QUOTE_DOUBLE' as const, 'QUOTE_SINGLE' as const),
  indentSeq: fc.boolean(),
  flowCollectionPadding: fc.boolean(),
});

const plainOf = (value: Value): unknown => {
  if (value.kind === 'map')
    return Object.fromEntries(value.entries.map(({ key, value: inner }) => [key, plainOf(inner)]));
  return value.kind === 'list' ? value.items.map(plainOf) : value.text;
};

/** The same with numbers and the like as what they are. */
const typed = (value: Value): unknown => {
  if (value.kind === 'map')
    return Object.fromEntries(value.entries.map(({ key, value: inner }) => [key, typed(inner)]));
  if (value.kind === 'list') return value.items.map(typed);
  return value.kind === 'text' ? value.text : (parseDocument(value.text).toJS() ?? null);
};

describe('YAML', () => {
  it('of any style is read as it was meant, or refused', () => {
    let read = 0;
    fc.assert(
      fc.property(fc.dictionary(name, tree, { maxKeys: 4, noNullPrototype: false }), style, (data, options) => {
        const text = stringify(data, { ...options, lineWidth: 0, blockQuote: false, doubleQuotedAsJSON: true });
        // A list in a list, and mappings in lists, are not of policy files.
        let value: Value;
        try {
          value = readYaml(text);
        } catch {
          return;
        }
        read += 1;
        expect(plainOf(value)).toEqual(data);
      }),
      { numRuns: 1_000 },
    );
    expect(read).toBeGreaterThan(800);
  });

  it('with a character too many or too few is never read as something else than Assent reads', () => {
    const data = fc.dictionary(name, tree, { maxKeys: 3, noNullPrototype: false });
    const character = fc.constantFrom(...' \n\t:#-,[]{}"\'*&!|>a1?~');
    let read = 0;
    fc.assert(
      fc.property(data, style, fc.nat(), character, fc.boolean(), (tree, options, place, extra, add) => {
        const whole = stringify(tree, { ...options, lineWidth: 0, blockQuote: false, doubleQuotedAsJSON: true });
        const at = place % (whole.length + 1);
        const text = `${whole.slice(0, at)}${add ? extra : ''}${whole.slice(add ? at : at + 1)}`;
        const document = parseDocument(text, { prettyErrors: false });
        if (document.errors.length > 0 || document.warnings.length > 0) return;
        let value: Value;
        try {
          value = readYaml(text);
        } catch {
          return;
        }
        read += 1;
        expect(typed(value)).toEqual(document.toJS() ?? null);
      }),
      { numRuns: 2_000 },
    );
    expect(read).toBeGreaterThan(300);
  });

  it.each([
    ['a: &x 1', 1, '"&" may not begin'],
    ['a: *x', 1, '"*" may not begin'],
    ['a: !!str b', 1, '"!" may not begin'],
    ['a: |\n  text', 1, '"|" may not begin'],
    ['a:\n  b: c\n    d: e', 3, 'indented too far'],
    ['a:\n    b: c\n  d: e', 3, 'indented too far'],
    ['  a: b\nc: d', 2, 'belongs to nothing'],
    ['a: b c: d', 1, 'a mapping may not begin here'],
    ['a: [b\nc]', 2, 'expected "," or "]"'],
    ['a: {b: c', 1, 'expected "," or "}"'],
    ['a: "b\nc"', 1, 'must end on its line'],
    ['a: b\na: c', 2, '"a" is there twice'],
    ['\ta: b', 1, 'a tab'],
    ['a: "\\x41"', 1, 'escape sequence'],
    ['1: a', 1, 'a key must be text'],
    ['a\nb: c', 1, 'expected "key: value"'],
    ['a:\n  - b: c', 2, 'a mapping may not begin here'],
    ['a: b\n---\nc: d', 2, 'expected "key: value"'],
  ])('%j is refused', (text, line, message) => {
    expect(() => readYaml(text)).toThrow(expect.objectContaining({ line, message: expect.stringContaining(message) }));
  });
});

const fitting = name.filter(
  (text) =>
    text.trim() === text && text !== '*' && !/[:,\p{Cc}]/u.test(text) && text.isWellFormed() && text.length < 120,
);
const grants = fc.uniqueArray(fc.tuple(fitting, fc.uniqueArray(fitting, { minLength: 1, maxLength: 3 })), {
  maxLength: 3,
  selector: ([resource]) => resource,
});
const roles = fc.uniqueArray(fc.tuple(fitting, grants), { maxLength: 3, selector: ([role]) => role });
const policy = fc.record({
  statements: grants,
  organizationRoles: roles,
  platformRoles: roles,
  adminUserIds: fc.uniqueArray(name, { maxLength: 3 }),
  defaultPlatformRole: fitting,
});

describe('an exported policy', () => {
  it('is read by Assent, and again by diff, as it was meant', () => {
    fc.assert(
      fc.property(policy, (model) => {
        const text = writePolicy(model, ['a comment\nof two lines']);
        expect(readPolicy(text, 'policy.yaml')).toEqual(model);
        const assent = parsePolicy(text, 'policy.yaml');
        const listed = [...assent.organizationRoles].map(([role, { byResource }]) => [
          role,
          [...byResource].map(([resource, actions]) => [resource, [...actions]]),
        ]);
        expect(listed).toEqual(model.organizationRoles);
        expect([...assent.adminUserIds]).toEqual(model.adminUserIds);
        expect(assent.defaultPlatformRole).toBe(model.defaultPlatformRole);
      }),
      { numRuns: 300 },
    );
  });
});
