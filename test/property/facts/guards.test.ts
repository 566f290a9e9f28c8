/** Every guard that is marked in the source is removed by some test, and every test that removes one finds it. */
import { readdirSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { guardsForChaos } from '../../support/chaos/guards.ts';
import { allMarkers, by, condition, mutate, removed, value, withoutGuard } from '../../support/mutated.ts';
import { loadBearing, optimisations } from './simulation/guards.ts';

const listed = [...loadBearing, ...optimisations, ...guardsForChaos].map(({ without }) => without);

describe('the markers of guards in src', () => {
  it('are the guards that the tests remove, each once', () => {
    expect(allMarkers().toSorted()).toEqual([...new Set(listed.flat().map(({ guard }) => guard))].toSorted());
  });

  it.each(listed.map((without) => ({ names: without.map(({ guard }) => guard).join(', '), without })))(
    'leave sources that parse when the tests remove $names',
    ({ without }) => {
      const { path, remove } = mutate(without);
      try {
        for (const name of readdirSync(path, { recursive: true, encoding: 'utf8' })) {
          if (name.endsWith('.ts')) stripTypeScriptTypes(readFileSync(join(path, name), 'utf8'));
        }
      } finally {
        remove();
      }
    },
  );
});

describe('the removal of a guard', () => {
  const without = (code: string, to: (code: string) => string): string => withoutGuard(code, { guard: 'x', to });

  it('takes a statement out, with its block', () => {
    expect(without('a();\n  // guard: x\n  if (b) {\n    c();\n  }\n  d();', removed)).toBe('a();\n\n  d();');
  });

  it('takes other code for one operand and keeps what joins it to the next', () => {
    expect(without('a &&\n  // guard: x\n  b(\n    c,\n  ) &&\n  d', by('true'))).toBe('a &&\ntrue &&\n  d');
  });

  it('takes other code for the condition of an if statement', () => {
    expect(without('// guard: x\nif (a(b) || c) {\n  d();\n}', condition('false'))).toBe('if (false) {\n  d();\n}');
  });

  it('takes other code for a condition that is returned', () => {
    expect(without('// guard: x\nreturn a\n  ? b\n  : c;', condition('true'))).toBe('return true\n  ? b\n  : c;');
  });

  it('takes other code for a value that is returned, assigned or given to a property', () => {
    expect(
      without(
        '// guard: x\nreturn a;',
        value(() => 'b'),
      ),
    ).toBe('return b;');
    expect(
      without(
        '// guard: x\nconst { a } = b;',
        value((code) => `f(${code})`),
      ),
    ).toBe('const { a } = f(b);');
    expect(
      without(
        '// guard: x\na: b,\nc',
        value(() => 'd'),
      ),
    ).toBe('a: d,\nc');
  });

  it('fails when the guard is not there, or when nothing would change', () => {
    expect(() => without('a();', removed)).toThrow('there is no guard x');
    expect(() => without('// guard: x\na();', by('a()'))).toThrow('the edit of x changes nothing');
    expect(() =>
      without(
        '// guard: x\na();',
        value(() => 'b'),
      ),
    ).toThrow('nothing of that form');
  });
});
