import { expect, it, vi } from 'vitest';
import { createPreparedStatements } from '../../../src/database/read-only-driver.ts';

const failure = (code: string): Error => Object.assign(new Error('refused'), { code });

it('gives one text one name, and others another', () => {
  const prepared = createPreparedStatements(() => {});
  const name = prepared.nameOf('SELECT 1');
  expect(name).toMatch(/^assent_[0-9a-f]{24}$/);
  expect(prepared.nameOf('SELECT 1')).toBe(name);
  expect(prepared.nameOf('SELECT 2')).not.toBe(name);
  // Behind a pooler a process finds in a session what another one prepared: the same text under the same name.
  expect(createPreparedStatements(() => {}).nameOf('SELECT 1')).toBe(name);
});

it.each(['26000', '42P05'])('does without once %s shows that sessions are mixed, and says so once', (code) => {
  const onUnusable = vi.fn();
  const prepared = createPreparedStatements(onUnusable);
  // As many connections find out at once.
  expect([prepared.refused(failure(code)), prepared.refused(failure(code))]).toEqual([true, true]);
  expect(onUnusable).toHaveBeenCalledTimes(1);
  expect(prepared.nameOf('SELECT 1')).toBeNull();
});

it('prepares anew, under other names, what was planned for tables that have changed', () => {
  const onUnusable = vi.fn();
  const prepared = createPreparedStatements(onUnusable);
  const name = prepared.nameOf('SELECT 1');
  expect(prepared.refused(failure('0A000'))).toBe(true);
  expect(prepared.nameOf('SELECT 1')).toMatch(/^assent_/);
  expect(prepared.nameOf('SELECT 1')).not.toBe(name);
  expect(onUnusable).not.toHaveBeenCalled();
});

it.each([failure('42501'), new Error('no code'), 'no error'])('sends nothing again for %s', (error) => {
  const prepared = createPreparedStatements(() => {});
  const name = prepared.nameOf('SELECT 1');
  expect(prepared.refused(error)).toBe(false);
  expect(prepared.nameOf('SELECT 1')).toBe(name);
});
