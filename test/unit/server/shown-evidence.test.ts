import { expect, it } from 'vitest';
import type { Evidence } from '../../../src/callers/known-callers.ts';
import { ShownEvidence } from '../../../src/server/shown-evidence.ts';

const only =
  (...digests: readonly string[]) =>
  (evidence: Evidence): boolean =>
    'digest' in evidence && digests.includes(evidence.digest);

it('something is left while one of the credentials stands for a caller', () => {
  const shown = new ShownEvidence();
  shown.add({ digest: 'one' });
  shown.add({ digest: 'two' });
  shown.add({ names: ['DNS:a.example'] });
  expect(shown.review(only('one', 'two'))).toBe(true);
  expect(shown.review(only('two'))).toBe(true);
  expect(shown.review(only())).toBe(false);
});

it('a credential that was withdrawn once does not count when it comes back', () => {
  const shown = new ShownEvidence();
  shown.add({ digest: 'one' });
  expect(shown.review(only())).toBe(false);
  expect(shown.review(only('one'))).toBe(false);
});

it('the eight credentials that came last are kept', () => {
  const shown = new ShownEvidence();
  for (let number = 0; number < 8; number += 1) shown.add({ digest: String(number) });
  shown.add({ digest: '0' });
  shown.add({ digest: '8' });
  expect(shown.review(only('0', '1'))).toBe(true);
  const seen: Evidence[] = [];
  shown.review((evidence) => seen.push(evidence) < 0);
  expect(seen).toEqual([{ digest: '0' }]);
});
