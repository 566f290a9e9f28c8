/** The events that NATS has not acknowledged yet, in the order in which they happened. */
import type { EventMessage } from '@assent/event-contract';

/** An event that waits, with its place in the order of all events. */
export interface QueuedEvent extends EventMessage {
  readonly place: number;
}

export interface EventQueue {
  /** How many events are not acknowledged. */
  readonly size: number;
  /** Adds an event at the end. */
  add(message: EventMessage): void;
  /**
   * Drops all events for one that covers them. It takes the place of the oldest, so that a wait for any of them becomes a wait
   * for it.
   */
  replaceAll(message: EventMessage): void;
  /** Takes the oldest event that is not on its way; null when there is none, or when enough are on their way. */
  take(): QueuedEvent | null;
  /** The event is acknowledged: removes it, and ends the waits for it. */
  acknowledge(event: QueuedEvent): void;
  /** The event's connection failed: {@link EventQueue.take} gives it again. */
  release(event: QueuedEvent): void;
  /** Resolves with true once all events of this moment are acknowledged, and with false after `boundMs`. */
  settled(boundMs: number): Promise<boolean>;
}

/** How many events may be on their way at once. */
const WINDOW = 128;

/** A wait for everything up to a place. */
interface Waiter {
  readonly upTo: number;
  readonly settle: () => void;
}

export function createEventQueue(): EventQueue {
  const waiting = new Set<QueuedEvent>();
  const underWay = new Set<QueuedEvent>();
  /** In the order of their places. */
  const waiters = new Set<Waiter>();
  let places = 0;

  return {
    get size() {
      return waiting.size;
    },
    add: (message) => {
      places += 1;
      waiting.add({ ...message, place: places });
    },
    replaceAll: (message) => {
      const [oldest] = waiting;
      if (oldest === undefined) places += 1;
      waiting.clear();
      waiting.add({ ...message, place: oldest?.place ?? places });
    },
    take: () => {
      if (underWay.size >= WINDOW) return null;
      for (const event of waiting) {
        if (underWay.has(event)) continue;
        underWay.add(event);
        return event;
      }
      return null;
    },
    acknowledge: (event) => {
      underWay.delete(event);
      waiting.delete(event);
      const [oldest] = waiting;
      for (const waiter of waiters) {
        if (oldest !== undefined && oldest.place <= waiter.upTo) return;
        waiter.settle();
      }
    },
    release: (event) => {
      underWay.delete(event);
    },
    settled: (boundMs) => {
      if (waiting.size === 0) return Promise.resolve(true);
      return new Promise((resolve) => {
        const finish = (done: boolean): void => {
          clearTimeout(timer);
          waiters.delete(waiter);
          resolve(done);
        };
        const timer = setTimeout(() => finish(false), boundMs);
        const waiter: Waiter = { upTo: places, settle: () => finish(true) };
        waiters.add(waiter);
      });
    },
  };
}
