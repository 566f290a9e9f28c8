/** Every guard that is marked in the source is removed by some test, and every test that removes one finds it. */
import { readdirSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { guardsOfLine } from '../../support/admission/guards.ts';
import { guardsForChaos } from '../../support/chaos/guards.ts';
import { delayOfTheEventLoop } from '../../support/facts/redis-guard.ts';
import { allMarkers, by, condition, type Edit, mutate, removed, value, withoutGuard } from '../../support/mutated.ts';
import { guardsForSiege } from '../../support/siege/guards.ts';
import { loadBearing, optimisations } from './simulation/guards.ts';

const listed = [...loadBearing, ...optimisations, ...guardsForChaos, ...guardsOfLine, ...guardsForSiege]
  .map(({ without }) => without)
  .concat([[delayOfTheEventLoop]]);
/** These stand in parts that the simulations do not copy. */
const ofProcesses: ReadonlySet<readonly Edit[]> = new Set(guardsForSiege.map(({ without }) => without));

describe('the markers of guards in src', () => {
  it('the markers in src are exactly the guards that the tests remove, each once', () => {
    expect(allMarkers().toSorted()).toEqual([...new Set(listed.flat().map(({ guard }) => guard))].toSorted());
  });

  it.each(listed.map((without) => ({ names: without.map(({ guard }) => guard).join(', '), without })))(
    'the sources parse without $names',
    ({ without }) => {
      const { path, remove } = mutate(without, ofProcesses.has(without));
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

  it('a removed statement is gone with its block', () => {
    expect(without('a();\n  // guard: x\n  if (b) {\n    c();\n  }\n  d();', removed)).toBe('a();\n\n  d();');
  });

  it('a replaced operand keeps the operator behind it', () => {
    expect(without('a &&\n  // guard: x\n  b(\n    c,\n  ) &&\n  d', by('true'))).toBe('a &&\ntrue &&\n  d');
  });

  it('the condition of an if statement is replaced', () => {
    expect(without('// guard: x\nif (a(b) || c) {\n  d();\n}', condition('false'))).toBe('if (false) {\n  d();\n}');
  });

  it('a condition that is returned is replaced', () => {
    expect(without('// guard: x\nreturn a\n  ? b\n  : c;', condition('true'))).toBe('return true\n  ? b\n  : c;');
  });

  it('a value that is returned, assigned or given to a property is replaced', () => {
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

  it('the removal fails when the guard is missing, or when nothing would change', () => {
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
