/**
 * Brings changes to NATS in the background: kept in memory until they are acknowledged, tried again with the same id,
 * and never more than so many. The caller never waits for it unless it asks to, and never gets a fault.
 */
import { randomUUID } from 'node:crypto';
import {
  type EventMessage,
  type PublishConnection,
  type Published,
  type PublishTarget,
  toMessage,
} from '@assent/event-contract';
import { type Change, RESYNC } from './change.ts';
import { createPause } from './pause.ts';
import { openSession } from './session.ts';

export interface PublisherOptions extends PublishTarget {
  /** Events that may wait; with one more they are all given up for one `resync`. */
  readonly bufferSize: number;
  /** Without a request or a change for so long the connection is closed; 60 s when absent. */
  readonly idleMs?: number;
  /** Takes one line for people. Must not throw. */
  readonly warn: (line: string) => void;
}

export interface Publisher {
  /** A request begins: connects where there is no connection, and looks whether the one that there is still lives. */
  wake(): void;
  publish(changes: readonly Change[]): void;
  /** Whether all that was handed over so far is acknowledged within `boundMs`. */
  settled(boundMs: number): Promise<boolean>;
  /** The latest acknowledgement; null when there is none, and on core NATS. */
  latest(): Published | null;
  /** How many events are not acknowledged yet. */
  pending(): number;
  /** Closes the connection unless events wait. The next use opens another one. */
  rest(): Promise<void>;
}

/** Publishes under way at once. */
const WINDOW = 128;
const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 2_000;
/** How often a connection is looked at that nothing uses, and how long it may take to answer. */
const LOOK_MS = 5_000;
/** A use looks at a connection from which nothing came for so long: the process may have been frozen. */
const SILENT_MS = 2_000;
/** How long it may then take to answer. */
const ANSWER_MS = 500;
const IDLE_MS = 60_000;
/** How long events that cannot be published keep a process alive that has nothing else to do, from the last of them on. */
const PATIENCE_MS = 10_000;

/** An event that waits, with its place in the order of all. */
interface Waiting extends EventMessage {
  readonly place: number;
}

/** A wait for everything up to a place. */
interface Waiter {
  readonly upTo: number;
  readonly settle: () => void;
}

/** Creates a publisher; it connects at the first use. */
export function createPublisher(options: PublisherOptions): Publisher {
  const { bufferSize, prefix, idleMs = IDLE_MS } = options;
  /** In the order in which they happened, until they are acknowledged. */
  const waiting = new Set<Waiting>();
  const underWay = new Set<Waiting>();
  /** In the order of their places. */
  const waiters = new Set<Waiter>();
  let places = 0;
  let latest: Published | null = null;
  let session: PublishConnection | null = null;
  let running: Promise<void> | null = null;
  let everConnected = false;
  /** In a row; the first is said, and the end of them. */
  let faults = 0;
  /** The later of the last change and the first fault. */
  let patientFrom = 0;
  /** The last request or change; null: none since the last {@link Publisher.rest}. */
  let used: number | null = null;
  let looked = moment();
  const pause = createPause();

  function warn(line: string): void {
    options.warn(`assent: ${line}`);
  }
  function enqueue(change: Change, place: number): void {
    const event = { id: randomUUID(), occurredAt: new Date().toISOString(), ...change };
    waiting.add({ ...toMessage(prefix, event), place });
  }
  function fault(error: unknown): void {
    faults += 1;
    if (faults > 1) return;
    patientFrom = now();
    warn(`events cannot be published (${textOf(error)}); up to ${bufferSize} wait in memory`);
  }
  function acknowledged(message: Waiting, published: Published | null): void {
    if (faults > 0) warn(`events are published again (${waiting.size} waited)`);
    faults = 0;
    looked = moment();
    // A message that is published again is acknowledged with its first number: that of later ones counts.
    if (published !== null && (latest === null || published.sequence > latest.sequence)) latest = published;
    waiting.delete(message);
    const [oldest] = waiting;
    for (const waiter of waiters) {
      if (oldest !== undefined && oldest.place <= waiter.upTo) return;
      waiter.settle();
    }
  }
  function end(over: PublishConnection): void {
    if (session === over) session = null;
    void over.close().catch(() => {});
    pause.end();
  }
  function look(boundMs: number): void {
    if (session === null) return;
    const over = session;
    looked = moment();
    void over.answers(boundMs).then((alive) => {
      if (alive) looked = moment();
      // Not a fault: connections die while a process is frozen. What was under way goes out on the next one.
      else end(over);
    });
  }
  function use(): void {
    used = now();
    if (since(looked) >= SILENT_MS) look(ANSWER_MS);
    start();
  }
  /** A process before this one may have ended with events that it could not publish. */
  function owesResync(): boolean {
    return !everConnected && faults > 0;
  }
  function isNeeded(): boolean {
    return waiting.size > 0 || (used !== null && (owesResync() || now() - used < idleMs));
  }

  async function open(): Promise<PublishConnection | null> {
    try {
      const opened = await openSession(options);
      void opened.ended.then(() => {
        if (session === opened) session = null;
        pause.end();
      });
      if (owesResync()) enqueue(RESYNC, ++places);
      everConnected = true;
      looked = moment();
      return opened;
    } catch (error) {
      fault(error);
      return null;
    }
  }
  function send(over: PublishConnection): void {
    for (const message of waiting) {
      if (underWay.size >= WINDOW) return;
      if (underWay.has(message)) continue;
      underWay.add(message);
      const sent = over.publish(message).then(
        (published) => acknowledged(message, published),
        (error: unknown) => {
          // The others of this session fail with it.
          if (session !== over) return;
          fault(error);
          end(over);
        },
      );
      void sent.then(() => {
        underWay.delete(message);
        pause.end();
      });
    }
  }
  async function retryPause(): Promise<void> {
    const until = now() + Math.min(FIRST_RETRY_MS * 2 ** Math.min(faults - 1, 10), MAX_RETRY_MS);
    // Changes end this too: they must not make it try more often, and are worth staying for.
    while (isNeeded() && now() < until) {
      const keepAlive = waiting.size > 0 && now() - patientFrom < PATIENCE_MS;
      await pause.wait(until - now(), { keepAlive });
    }
  }
  async function run(): Promise<void> {
    while (isNeeded()) {
      if (session === null) {
        if (faults > 0) await retryPause();
        if (isNeeded()) session = await open();
        continue;
      }
      send(session);
      await pause.wait(Math.min(LOOK_MS, idleMs), { keepAlive: waiting.size > 0 });
      if (since(looked) >= LOOK_MS) look(LOOK_MS);
    }
    const idle = session;
    session = null;
    await idle?.close();
  }
  function start(): void {
    running ??= run()
      .catch(fault)
      .finally(() => {
        running = null;
        // A change may have come between the last look and now.
        if (waiting.size > 0) start();
      });
  }

  return {
    wake: use,
    publish: (changes) => {
      if (changes.length === 0) return;
      if (waiting.size + changes.length > bufferSize) {
        warn(
          `${waiting.size + changes.length} events were given up: they were more than ${bufferSize}; a resync follows`,
        );
        // In the place of the oldest: who waits for one of them waits for the resync.
        const [oldest] = waiting;
        waiting.clear();
        enqueue(RESYNC, oldest?.place ?? ++places);
      } else for (const change of changes) enqueue(change, ++places);
      patientFrom = now();
      use();
      pause.end();
    },
    settled: (boundMs) => {
      if (waiting.size === 0) return Promise.resolve(true);
      return new Promise((resolve) => {
        const waiter: Waiter = { upTo: places, settle: () => finish(true) };
        const timer = setTimeout(() => finish(false), boundMs);
        const finish = (done: boolean): void => {
          clearTimeout(timer);
          waiters.delete(waiter);
          resolve(done);
        };
        waiters.add(waiter);
      });
    },
    latest: () => latest,
    pending: () => waiting.size,
    rest: async () => {
      if (waiting.size > 0) return;
      used = null;
      pause.end();
      await running;
    },
  };
}

/** Not the time of day: set back by an hour, it would make the next try an hour late. */
function now(): number {
  return performance.now();
}

/** By both clocks: the monotonic one may stand still while a machine is suspended, the other one may be set back. */
interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

function moment(): Moment {
  return { monotonic: now(), wall: Date.now() };
}

function since({ monotonic, wall }: Moment): number {
  return Math.max(now() - monotonic, Math.abs(Date.now() - wall));
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}
