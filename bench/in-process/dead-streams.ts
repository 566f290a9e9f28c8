/**
 * What small collections of garbage leave of objects without a reference. V8 allocates a closure in the old
 * generation when the source stores it in a property, as Node's WritableState does with its `onwrite`: what it refers to
 * then lives until a full collection. Prints bytes an object. Needs --expose-gc and --max-semi-space-size=32.
 */

import { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { getHeapStatistics } from 'node:v8';

const OBJECTS = 2_000;
const BETWEEN_TURNS = 50;

class InProperty {
  readonly callback: () => InProperty;
  constructor() {
    this.callback = () => this;
  }
}
class InArray {
  readonly callbacks: readonly (() => InArray)[];
  constructor() {
    this.callbacks = [() => this];
  }
}

const used = async (collect: () => void): Promise<number> => {
  collect();
  collect();
  await delay(20);
  return getHeapStatistics().used_heap_size;
};
const make = async (create: () => unknown): Promise<void> => {
  for (let index = 0; index < OBJECTS; index += 1) {
    create();
    if (index % BETWEEN_TURNS === 0) await delay(0);
  }
};

const subjects: Readonly<Record<string, () => unknown>> = {
  'a closure in an array': () => new InArray(),
  'a closure in a property': () => new InProperty(),
  'stream.Readable': () => new Readable(),
  'stream.Writable': () => new Writable(),
};
for (const [name, create] of Object.entries(subjects)) {
  await make(create);
  const before = await used(() => globalThis.gc?.());
  await make(create);
  const left = await used(() => globalThis.gc?.({ type: 'minor' }));
  const after = await used(() => globalThis.gc?.());
  const each = (bytes: number): number => Math.round((bytes - before) / OBJECTS);
  console.log(`${name}: ${each(left)} bytes left by small collections, ${each(after)} by a full one`);
}
