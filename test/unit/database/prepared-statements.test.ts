import { expect, it, vi } from 'vitest';
import { createPreparedStatements } from '../../../src/database/read-only-driver.ts';

const failure = (code: string): Error => Object.assign(new Error('refused'), { code });

it('the name of a prepared statement depends on its text alone', () => {
  const prepared = createPreparedStatements(() => {});
  const name = prepared.nameOf('SELECT 1');
  expect(name).toMatch(/^assent_[0-9a-f]{24}$/);
  expect(prepared.nameOf('SELECT 1')).toBe(name);
  expect(prepared.nameOf('SELECT 2')).not.toBe(name);
  // Behind a pooler a session may have the statements of another process: the same text under the same name.
  expect(createPreparedStatements(() => {}).nameOf('SELECT 1')).toBe(name);
});

it.each(['26000', '42P05'])(
  'nothing is prepared any more after %s shows that sessions are mixed, and that is reported once',
  (code) => {
    const onUnusable = vi.fn();
    const prepared = createPreparedStatements(onUnusable);
    // Several connections get the error at once.
    expect([prepared.refused(failure(code)), prepared.refused(failure(code))]).toEqual([true, true]);
    expect(onUnusable).toHaveBeenCalledTimes(1);
    expect(prepared.nameOf('SELECT 1')).toBeNull();
  },
);

it('statements get new names after their tables have changed', () => {
  const onUnusable = vi.fn();
  const prepared = createPreparedStatements(onUnusable);
  const name = prepared.nameOf('SELECT 1');
  expect(prepared.refused(failure('0A000'))).toBe(true);
  expect(prepared.nameOf('SELECT 1')).toMatch(/^assent_/);
  expect(prepared.nameOf('SELECT 1')).not.toBe(name);
  expect(onUnusable).not.toHaveBeenCalled();
});

it.each([failure('42501'), new Error('no code'), 'no error'])('a statement is not sent again after %s', (error) => {
  const prepared = createPreparedStatements(() => {});
  const name = prepared.nameOf('SELECT 1');
  expect(prepared.refused(error)).toBe(false);
  expect(prepared.nameOf('SELECT 1')).toBe(name);
});
