/**
 * What all instances of the plugin in a process share: applications create Better Auth for each request, and the module is
 * loaded several times by hot reloads and bundlers. The process keeps it, therefore, and not the module.
 */
import { createHash } from 'node:crypto';
import type { Sink } from './observe.ts';
import { createPublisher, type Publisher, type PublisherOptions } from './publisher.ts';

/** Instances with the same of these share a publisher, and so a connection. */
export type SharedOptions = Omit<PublisherOptions, 'warn' | 'idleMs'>;
type Warn = (line: string) => void;

interface Shared {
  readonly publishers: Map<string, { readonly publisher: Publisher; warn: Warn }>;
  /** What each adapter reports to, by the digest of the publisher's options. */
  readonly sinks: WeakMap<object, Map<string, Sink>>;
  /** Lines that are said once in a process. */
  readonly said: Set<string>;
}

/** With another number when {@link Shared} changes: two versions of the package may be in one process. */
const KEY = Symbol.for('@assent/better-auth/1');

/** A digest: the options have passwords. */
export function digestOf({ url, stream, prefix, mode, domain, bufferSize }: SharedOptions): string {
  const text = JSON.stringify([url, stream, prefix, mode, domain, bufferSize]);
  return createHash('sha256').update(text).digest('hex');
}

/**
 * The publisher of these options, created at the first call.
 * @param warn Takes its lines from now on: the latest instance has the logger that is in use.
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
 * Makes `sink` the one that an adapter reports to: the latest instance that has the adapter.
 * @returns A sink for the adapter, to be observed with; null when the adapter is observed already.
 */
export function observedBy(adapter: object, digest: string, sink: Sink): Sink | null {
  const { sinks } = shared();
  const ofAdapter = sinks.get(adapter) ?? new Map<string, Sink>();
  sinks.set(adapter, ofAdapter);
  const isObserved = ofAdapter.has(digest);
  ofAdapter.set(digest, sink);
  return isObserved ? null : (changes) => ofAdapter.get(digest)?.(changes);
}

/** Whether a line is said for the first time in this process. */
export function isNews(line: string): boolean {
  const { said } = shared();
  if (said.has(line)) return false;
  said.add(line);
  return true;
}

function shared(): Shared {
  const existing: Shared | undefined = Reflect.get(globalThis, KEY);
  if (existing !== undefined) return existing;
  const created: Shared = { publishers: new Map(), sinks: new WeakMap(), said: new Set() };
  // Not enumerable: it is not to be printed with the global object.
  Object.defineProperty(globalThis, KEY, { value: created });
  // One listener for all: Node warns of more than ten.
  process.once('exit', () => {
    for (const { publisher, warn } of created.publishers.values()) {
      const count = publisher.pending();
      if (count > 0) warn(`assent: the process ends with ${count} events that were not published`);
    }
  });
  return created;
}
