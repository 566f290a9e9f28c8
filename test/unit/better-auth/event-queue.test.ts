/** The events that the plugin keeps until NATS acknowledges them. */
import { describe, expect, it } from 'vitest';
import { createEventQueue, type EventQueue, type QueuedEvent } from '../../../packages/better-auth/src/event-queue.ts';

const PATIENT_MS = 10_000;

describe('the event queue', () => {
  it('the event queue gives each event once, in the order in which they came', () => {
    const queue = queueOf('a', 'b', 'c');
    expect(takeAll(queue).map(({ id }) => id)).toEqual(['a', 'b', 'c']);
    expect(queue.take()).toBeNull();
    expect(queue.size).toBe(3);
  });

  it('the event queue gives an event again after its connection failed, before younger events', () => {
    const queue = queueOf('a', 'b');
    const [first] = takeAll(queue);
    add(queue, 'c');
    if (first !== undefined) queue.release(first);
    expect(takeAll(queue).map(({ id }) => id)).toEqual(['a', 'c']);
  });

  it('the event queue has at most 128 unacknowledged events', () => {
    const queue = queueOf(...Array.from({ length: 200 }, (_, index) => String(index)));
    const taken = takeAll(queue);
    expect(taken).toHaveLength(128);
    for (const event of taken.slice(0, 10)) queue.acknowledge(event);
    expect(takeAll(queue).map(({ id }) => id)).toEqual(taken.slice(0, 10).map(({ id }) => String(Number(id) + 128)));
  });

  it('the event queue ends a wait with the last event that was queued before it, in any order of acknowledgements', async () => {
    const queue = queueOf('a', 'b');
    const events = takeAll(queue);
    const settled = queue.settled(PATIENT_MS);
    let done = false;
    void settled.then(() => {
      done = true;
    });
    add(queue, 'later');
    for (const event of events.toReversed()) {
      await Promise.resolve();
      expect(done).toBe(false);
      queue.acknowledge(event);
    }
    expect(await settled).toBe(true);
    expect(queue.size).toBe(1);
  });

  it('the event queue ends a wait after its bound, and at once when it is empty', async () => {
    expect(await queueOf().settled(PATIENT_MS)).toBe(true);
    expect(await queueOf('a').settled(1)).toBe(false);
  });

  it('the event queue ends a wait for dropped events with the event that replaces them', async () => {
    const queue = queueOf('a', 'b');
    const dropped = takeAll(queue);
    const settled = queue.settled(PATIENT_MS);
    queue.replaceAll({ id: 'resync', subject: '', payload: '' });
    expect(queue.size).toBe(1);
    const [resync] = takeAll(queue);
    // A late acknowledgement of a dropped event.
    for (const event of dropped) queue.acknowledge(event);
    if (resync !== undefined) queue.acknowledge(resync);
    expect(await settled).toBe(true);
    expect(queue.size).toBe(0);
  });
});

function queueOf(...ids: readonly string[]): EventQueue {
  const queue = createEventQueue();
  for (const id of ids) add(queue, id);
  return queue;
}

function add(queue: EventQueue, id: string): void {
  queue.add({ id, subject: '', payload: '' });
}

function takeAll(queue: EventQueue): readonly QueuedEvent[] {
  const taken: QueuedEvent[] = [];
  for (let event = queue.take(); event !== null; event = queue.take()) taken.push(event);
  return taken;
}
