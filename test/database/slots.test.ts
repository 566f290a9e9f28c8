import { describe, expect, it } from 'vitest';
import { createSlots } from '../../src/database/slots.ts';

/** Works that say when they begin and end when they are told to. */
const recorder = () => {
  const begun: string[] = [];
  const ends = new Map<string, PromiseWithResolvers<string>>();
  return {
    begun,
    work: (name: string) => () => {
      const end = Promise.withResolvers<string>();
      begun.push(name);
      ends.set(name, end);
      return end.promise;
    },
    end: (name: string) => ends.get(name)?.resolve(name),
    fail: (name: string) => ends.get(name)?.reject(new Error(name)),
  };
};

describe('slots', () => {
  it('let as many works begin as there are, at once, and the others in the order of their arrival', async () => {
    const { begun, work, end } = recorder();
    const slots = createSlots(2);
    const turns = ['a', 'b', 'c', 'd'].map((name) => slots.run(work(name)));
    expect(begun).toEqual(['a', 'b']);
    expect(slots.waiting()).toBe(2);
    end('b');
    expect(await turns[1]?.done).toBe('b');
    expect(begun).toEqual(['a', 'b', 'c']);
    end('a');
    await turns[0]?.done;
    end('d');
    expect(await turns[3]?.done).toBe('d');
    end('c');
    expect(await turns[2]?.done).toBe('c');
    expect(slots.waiting()).toBe(0);
  });

  it('are all free again when their works have settled, failed or not', async () => {
    const { begun, work, end, fail } = recorder();
    const slots = createSlots(2);
    const turns = ['a', 'b', 'c'].map((name) => slots.run(work(name)));
    fail('a');
    await expect(turns[0]?.done).rejects.toThrow('a');
    fail('c');
    await expect(turns[2]?.done).rejects.toThrow('c');
    end('b');
    await turns[1]?.done;
    slots.run(work('d'));
    slots.run(work('e'));
    slots.run(work('f'));
    expect(begun).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('are not waited for by who left the line', async () => {
    const { begun, work, end } = recorder();
    const slots = createSlots(1);
    const first = slots.run(work('a'));
    const abandoned = Array.from({ length: 100 }, (_, index) => slots.run(work(`left ${index}`)));
    const last = slots.run(work('b'));
    for (const { leave } of abandoned) leave();
    expect(slots.waiting()).toBe(1);
    end('a');
    await first.done;
    expect(begun).toEqual(['a', 'b']);
    end('b');
    await last.done;
  });

  it('are held by a work that began until it has settled, whoever still waits for it', async () => {
    const { begun, work, end } = recorder();
    const slots = createSlots(1);
    const first = slots.run(work('a'));
    const second = slots.run(work('b'));
    first.leave();
    expect(begun).toEqual(['a']);
    end('a');
    await first.done;
    second.leave();
    const third = slots.run(work('c'));
    expect(begun).toEqual(['a', 'b']);
    end('b');
    await second.done;
    expect(begun).toEqual(['a', 'b', 'c']);
    end('c');
    await third.done;
  });
});
