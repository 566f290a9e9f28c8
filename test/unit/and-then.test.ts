import { describe, expect, it } from 'vitest';
import { andThen } from '../../src/and-then.ts';

describe('andThen', () => {
  it('andThen continues at once with a value that is here', () => {
    expect(andThen(1, (value) => value + 1)).toBe(2);
  });

  it('andThen continues later with a promise', async () => {
    const result = andThen(Promise.resolve(1), (value) => value + 1);
    expect(result).toBeInstanceOf(Promise);
    expect(await result).toBe(2);
  });

  it('andThen resolves to the value of a promise that the continuation returns', async () => {
    expect(await andThen(1, async (value) => value + 1)).toBe(2);
    expect(await andThen(Promise.resolve(1), async (value) => value + 1)).toBe(2);
  });

  it('andThen hands its context to the continuation, at once and later', async () => {
    const add = (value: number, context: { readonly more: number }) => value + context.more;
    expect(andThen(1, add, { more: 2 })).toBe(3);
    expect(await andThen(Promise.resolve(1), add, { more: 2 })).toBe(3);
  });

  it('andThen throws the error of a continuation that runs at once', () => {
    expect(() =>
      andThen(1, () => {
        throw new Error('wrong');
      }),
    ).toThrow('wrong');
  });

  it('andThen rejects with the error of a continuation that runs later', async () => {
    const result = andThen(Promise.resolve(1), () => {
      throw new Error('wrong');
    });
    await expect(result).rejects.toThrow('wrong');
  });

  it('andThen does not run the continuation of a promise that rejects', async () => {
    const result = andThen(Promise.reject(new Error('gone')), () => 'continued');
    await expect(result).rejects.toThrow('gone');
  });
});
