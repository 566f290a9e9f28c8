/** The command line of the siege, and its scenarios by name. */
import { expect, it } from 'vitest';
import { ATTACKS, attackOf } from '../../../siege/attacks.ts';
import { chosen, parseOptions } from '../../../siege/options.ts';
import { atLeast, atMost, holds, medianMeasures } from '../../../siege/overload.ts';
import { OVERLOADS } from '../../../siege/overloads.ts';

const NAMES = [...ATTACKS, ...OVERLOADS].map(({ name }) => name);

it('the defaults of the siege are one round of three seconds', () => {
  expect(parseOptions([])).toMatchObject({ seconds: 3, rounds: 1, only: null, json: null, deadlineMs: 1_000 });
});

it.each([
  [['--seconds', '0'], '--seconds must be a positive number.'],
  [['--rounds', 'many'], '--rounds must be a positive number.'],
])('the siege refuses %j', (args, message) => {
  expect(() => parseOptions(args)).toThrow(message);
});

it('the siege asks for nothing else when help or the list is wanted', () => {
  expect(parseOptions(['--help'])).toBe('help');
  expect(parseOptions(['--list'])).toBe('list');
});

it('a full name stands for one scenario, a pattern for several, and an unknown name for an error', () => {
  expect(chosen(NAMES, 'refused-json')).toEqual(['refused-json']);
  expect(chosen(NAMES, '^refused-')).toHaveLength(5);
  expect(chosen(NAMES, null)).toEqual(NAMES);
  expect(() => chosen(NAMES, 'nothing')).toThrow('--only nothing is none of the scenarios');
});

it('every scenario has a name that no other has', () => {
  expect(new Set(NAMES).size).toBe(NAMES.length);
  for (const attack of ATTACKS) expect(attackOf(attack.name)).toBe(attack);
  expect(() => attackOf('nothing')).toThrow('there is no attack nothing');
});

it('a figure that is not a number breaks its bound', () => {
  expect(holds(atLeast('goodput', 70, '%', 70))).toBe(true);
  expect(holds(atLeast('goodput', 69, '%', 70))).toBe(false);
  expect(holds(atMost('p99', 251, 'ms', 250))).toBe(false);
  expect(holds(atMost('p99', Number.NaN, 'ms', 250))).toBe(false);
});

it('the figures of an overload are the medians of its rounds', () => {
  const rounds = [30, 10, 20].map((value) => [atMost('p99', value, 'ms', 15)]);
  expect(medianMeasures(rounds)).toEqual([atMost('p99', 20, 'ms', 15)]);
});
