/**
 * State that all instances of the plugin in a process share. Applications create Better Auth for each request, and hot reloads
 * and bundlers load this module several times, so that the state belongs to the process and not to the module.
 */
import { createHash } from 'node:crypto';
import type { Sink } from './observe.ts';
import { createPublisher, type Publisher, type PublisherOptions } from './publisher.ts';

/** Instances with the same values of these share a publisher, and so a connection. */
export type SharedOptions = Omit<PublisherOptions, 'warn' | 'idleMs'>;
type Warn = (line: string) => void;

interface Shared {
  readonly publishers: Map<string, { readonly publisher: Publisher; warn: Warn }>;
  /** The sink of each adapter, by the digest of the publisher's options. */
  readonly sinks: WeakMap<object, Map<string, Sink>>;
  /** Lines that are logged once in a process. */
  readonly logged: Set<string>;
}

/** The number has to rise when {@link Shared} changes: two versions of the package may be in one process. */
const KEY = Symbol.for('@assent/better-auth/1');

/** A digest, since the options have passwords. */
export function digestOf(options: SharedOptions): string {
  const { url, stream, prefix, mode, domain, credentials, tls, bufferSize } = options;
  const text = JSON.stringify([url, stream, prefix, mode, domain, credentials ?? null, tls ?? null, bufferSize]);
  return createHash('sha256').update(text).digest('hex');
}

/**
 * The publisher of these options, created at the first call.
 * @param warn Takes the publisher's lines from now on: the latest instance has the current logger.
 */
export function publisherOf(options: SharedOptions, warn: Warn): Publisher {
  const { publishers } = shared();
  const digest = digestOf(options);
  let entry = publishers.get(digest);
  if (entry === undefined) {
    const created = { publisher: createPublisher({ ...options, warn: (line) => created.warn(line) }), warn };
    publishers.set(digest, created);
    entry = created;
  }
  entry.warn = warn;
  return entry.publisher;
}

/**
 * Makes `sink` the sink of an adapter, in place of that of an earlier instance with the same adapter.
 * @returns The sink to observe the adapter with; null when the adapter is observed already.
 */
export function sinkFor(adapter: object, digest: string, sink: Sink): Sink | null {
  const { sinks } = shared();
  const ofAdapter = sinks.get(adapter) ?? new Map<string, Sink>();
  sinks.set(adapter, ofAdapter);
  const isObserved = ofAdapter.has(digest);
  ofAdapter.set(digest, sink);
  return isObserved ? null : (changes) => ofAdapter.get(digest)?.(changes);
}

/** Logs a line unless this process has logged it before. */
export function warnOnce(line: string, warn: Warn): void {
  const { logged } = shared();
  if (logged.has(line)) return;
  logged.add(line);
  warn(line);
}

function shared(): Shared {
  const existing: Shared | undefined = Reflect.get(globalThis, KEY);
  if (existing !== undefined) return existing;
  const created: Shared = { publishers: new Map(), sinks: new WeakMap(), logged: new Set() };
  // Not enumerable, so that it is not printed with the global object.
  Object.defineProperty(globalThis, KEY, { value: created });
  // One listener for all publishers: Node warns of more than ten.
  process.once('exit', () => {
    for (const { publisher, warn } of created.publishers.values()) {
      const count = publisher.pending();
      if (count > 0) warn(`assent: the process ends with ${count} events that were not published`);
    }
  });
  return created;
}
