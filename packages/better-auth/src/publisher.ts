/**
 * Brings changes to NATS in the background: kept in memory until they are acknowledged, tried again with the same id,
 * and never more than so many. Whoever hands over a change never waits and never hears of a fault.
 */
import { randomUUID } from 'node:crypto';
import { type Change, RESYNC } from './change.ts';
import { sayAtExit } from './exit.ts';
import { createPause } from './pause.ts';
import { type Message, openSession, type Session, type SessionOptions } from './session.ts';

export interface PublisherOptions extends SessionOptions {
  /** Events that may wait; with one more they are all given up for one `resync`. */
  readonly bufferSize: number;
  /** Takes one line for people. */
  readonly warn: (line: string) => void;
}

export interface Publisher {
  /** Connects, so that a fault shows before the first change. Later calls do nothing. */
  start(): void;
  publish(changes: readonly Change[]): void;
  /** How many events are not acknowledged yet. */
  pending(): number;
  /** Waits until nothing is pending, at most `timeoutMs`, and closes the connection. What is left is given up. */
  close(timeoutMs: number): Promise<void>;
}

/** Publishes under way at once. */
const WINDOW = 128;
const FIRST_RETRY_MS = 50;
const MAX_RETRY_MS = 2_000;
/** Longer than it takes for anything to happen that ends a pause: a change, an acknowledgement, a fault, the end. */
const IDLE_MS = 60_000;
/** How long events that cannot be published keep a process alive that has nothing else to do, from the last of them on. */
const PATIENCE_MS = 10_000;

/** Not the time of day: set back by an hour, it would make the next try an hour late. */
const now = (): number => performance.now();
const textOf = (error: unknown): string => (error instanceof Error ? error.message || error.name : String(error));

/** Creates a publisher; it connects at `start`, or at the first change. */
export const createPublisher = (options: PublisherOptions): Publisher => {
  const { bufferSize, prefix } = options;
  /** In the order in which they happened, until they are acknowledged. */
  const waiting = new Set<Message>();
  const underWay = new Set<Message>();
  let session: Session | null = null;
  let running: Promise<void> | null = null;
  let everConnected = false;
  /** Whether events went out that nobody kept, since there was no JetStream. */
  let unkept = false;
  /** In a row; the first is said, and the end of them. */
  let faults = 0;
  /** The later of the last change and the first fault. */
  let patientFrom = 0;
  let closed = false;
  const pause = createPause();

  const warn = (line: string): void => {
    try {
      options.warn(`assent: ${line}`);
    } catch {
      // A log that fails must not fail a request.
    }
  };
  const enqueue = (change: Change): void => {
    const { name, ...ids } = change;
    const id = randomUUID();
    const payload = JSON.stringify({ id, occurredAt: new Date().toISOString(), ...ids });
    waiting.add({ id, subject: `${prefix}.${name}`, payload });
  };
  const fault = (error: unknown): void => {
    faults += 1;
    if (faults > 1) return;
    patientFrom = now();
    warn(`events cannot be published (${textOf(error)}); up to ${bufferSize} wait in memory`);
  };
  const acknowledged = (message: Message): void => {
    if (faults > 0) warn(`events are published again (${waiting.size} waited)`);
    faults = 0;
    waiting.delete(message);
  };
  const end = (over: Session): void => {
    if (session === over) session = null;
    void over.close().catch(() => {});
  };

  const open = async (): Promise<Session | null> => {
    try {
      const opened = await openSession(options);
      void opened.ended.then(() => {
        if (session === opened) session = null;
        pause.end();
      });
      if (!unkept && !opened.stored) {
        warn('this NATS server has no JetStream: an event that nobody listens to at the moment is lost');
      }
      // A process before this one may have ended with events that it could not publish.
      if ((!everConnected && faults > 0) || (unkept && opened.stored)) enqueue(RESYNC);
      everConnected = true;
      unkept = !opened.stored;
      return opened;
    } catch (error) {
      fault(error);
      return null;
    }
  };
  const send = (over: Session): void => {
    for (const message of waiting) {
      if (underWay.size >= WINDOW) return;
      if (underWay.has(message)) continue;
      underWay.add(message);
      const sent = over.publish(message).then(
        () => acknowledged(message),
        (error: unknown) => {
          // The others of this session fail with it.
          if (session === over) fault(error);
          end(over);
        },
      );
      void sent.then(() => {
        underWay.delete(message);
        pause.end();
      });
    }
  };

  const run = async (): Promise<void> => {
    while (!closed) {
      if (session === null) {
        // Nothing to say: the next change connects again.
        if (waiting.size === 0 && everConnected && !unkept) return;
        if (faults > 0) {
          const until = now() + Math.min(FIRST_RETRY_MS * 2 ** Math.min(faults - 1, 10), MAX_RETRY_MS);
          // Changes end this too: they must not make it try more often, and are worth staying for.
          while (!closed && now() < until) {
            const keepAlive = waiting.size > 0 && now() - patientFrom < PATIENCE_MS;
            await pause.wait(until - now(), { keepAlive });
          }
          if (closed) return;
        }
        session = await open();
        continue;
      }
      send(session);
      await pause.wait(IDLE_MS, { keepAlive: waiting.size > 0 });
    }
  };
  const start = (): void => {
    if (running !== null || closed) return;
    running = run()
      .catch(fault)
      .finally(() => {
        running = null;
        // A change may have come between the last look and now.
        if (waiting.size > 0) start();
      });
  };

  const sayNothing = sayAtExit(() => {
    if (waiting.size > 0) warn(`the process ends with ${waiting.size} events that were not published`);
  });

  return {
    start: () => {
      if (!everConnected) start();
    },
    publish: (changes) => {
      if (changes.length === 0) return;
      if (closed) {
        warn(`${changes.length} events are not published: the publisher is closed`);
        return;
      }
      if (waiting.size + changes.length > bufferSize) {
        warn(
          `${waiting.size + changes.length} events were given up: they were more than ${bufferSize}; a resync follows`,
        );
        waiting.clear();
        enqueue(RESYNC);
      } else for (const change of changes) enqueue(change);
      patientFrom = now();
      pause.end();
      start();
    },
    pending: () => waiting.size,
    close: async (timeoutMs) => {
      const deadline = now() + timeoutMs;
      while (waiting.size > 0 && now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
      closed = true;
      if (waiting.size > 0) warn(`closed with ${waiting.size} events that were not published`);
      waiting.clear();
      sayNothing();
      pause.end();
      await running;
      await session?.close();
      session = null;
    },
  };
};
