/** The plugin for Better Auth's list. */
import type { AuthContext, BetterAuthPlugin } from 'better-auth';
import { createAuthMiddleware } from 'better-auth/api';
import { createModels } from './models.ts';
import { observeAdapter } from './observe.ts';
import type { Publisher } from './publisher.ts';
import { digestOf, isNews, observedBy, publisherOf, type SharedOptions } from './shared.ts';

export interface AssentOptions {
  /**
   * Where NATS is: one URL or several separated by commas, credentials included. Empty or undefined: nothing is
   * published, and a warning says so once.
   */
  readonly nats: string | undefined;
  /** What the subjects are under, as in Assent's `ASSENT_EVENTS_PREFIX`; `betterauth` when absent. */
  readonly prefix?: string | undefined;
  /** The JetStream stream, as in Assent's `NATS_STREAM`; `BETTERAUTH` when absent. Created when missing. */
  readonly stream?: string | undefined;
  /**
   * As in Assent's `NATS_MODE`; `stream` when absent: an event counts as delivered once JetStream has acknowledged it.
   * `core`: core NATS, which delivers to the subscribers of the moment and keeps nothing.
   */
  readonly mode?: 'stream' | 'core' | undefined;
  /** The domain of JetStream, as in Assent's `NATS_JETSTREAM_DOMAIN`; the server's own when absent. */
  readonly domain?: string | undefined;
  /** Events that wait in memory while NATS is away, before they are given up for one `resync`; 10,000 when absent. */
  readonly bufferSize?: number | undefined;
  /** Whether a write waits until NATS has acknowledged its event; false when absent. */
  readonly await?: boolean | undefined;
  /**
   * How long a write waits at most, in milliseconds; 2,000 when absent. After it the write returns all the same, since it
   * is committed; its event stays queued, and a warning says so.
   */
  readonly awaitMs?: number | undefined;
}

/** Where the stream keeps an event: the acknowledgement of NATS. */
export interface Published {
  readonly stream: string;
  readonly sequence: number;
}

/** The plugin, and what applications ask it. */
export interface AssentPlugin {
  readonly id: 'assent';
  readonly init: (context: AuthContext) => void;
  readonly hooks: Pick<NonNullable<BetterAuthPlugin['hooks']>, 'before'>;
  /** How many events of this process are not acknowledged by NATS yet. */
  pending(): number;
  /**
   * Waits until all events so far are acknowledged, at most `timeoutMs` (`awaitMs` when absent), for reading one's own
   * write: the answer of a replica that has applied this sequence, or a later one, has them.
   * @returns The latest acknowledgement; null where there is none: not in time, no event yet, or core NATS. A check with
   * full consistency reads the write then.
   */
  published(timeoutMs?: number): Promise<Published | null>;
  /**
   * Waits until everything is published, at most `timeoutMs` (5 seconds when absent), and closes the connection: for
   * scripts and tests. What is not published by then is tried on, and keeps the process alive, for up to 10 seconds from
   * the last change. Another change opens the connection again.
   */
  close(timeoutMs?: number): Promise<void>;
}

/** How long the platform is asked to wait for an acknowledgement, in milliseconds: it is paid by its time. */
const BACKGROUND_MS = 10_000;

/**
 * Publishes every change that a decision depends on, after its commit. Raw SQL and cascades are not seen: the triggers of
 * this package's `sql` folder are for those.
 * @throws when an option is malformed.
 */
export function assent(options: AssentOptions): AssentPlugin {
  const given = { ...options, nats: options.nats?.trim() === '' ? undefined : options.nats };
  const problem = problemOf(given);
  if (problem !== null) throw new Error(`assent: ${problem}`);
  const { nats, prefix, stream, mode, domain, bufferSize = 10_000, awaitMs = 2_000 } = given;
  const target: SharedOptions | null =
    nats === undefined
      ? null
      : {
          url: nats,
          prefix: prefix || 'betterauth',
          stream: stream || 'BETTERAUTH',
          mode: mode || 'stream',
          domain: domain || null,
          bufferSize,
        };
  let warn = warningBy(console);
  const publisher = (): Publisher | null => (target === null ? null : publisherOf(target, warn));

  return {
    id: 'assent',
    init: (context) => {
      warn = warningBy(context.logger);
      if (target === null) {
        const line = 'assent: no NATS URL is set, so that Assent is not told of changes';
        if (isNews(line)) warn(line);
        return;
      }
      const sink = observedBy(context.adapter, digestOf(target), async (changes) => {
        if (changes.length === 0) return;
        const to = publisherOf(target, warn);
        to.publish(changes);
        handOver(context, to, warn);
        if (given.await !== true || (await to.settled(awaitMs))) return;
        warn(`assent: a write returned before NATS acknowledged its event (${awaitMs} ms); the event stays queued`);
      });
      if (sink !== null) observeAdapter(context.adapter, createModels(context.tables), sink);
    },
    hooks: {
      before: [
        {
          // Begins with the first use of an endpoint, and not when the configuration is loaded: builds, migrations and
          // generators load it too, and have nothing to say.
          matcher: () => {
            publisher()?.wake();
            return false;
          },
          handler: createAuthMiddleware(async () => {}),
        },
      ],
    },
    pending: () => publisher()?.pending() ?? 0,
    published: async (timeoutMs = awaitMs) => {
      const from = publisher();
      return from !== null && (await from.settled(timeoutMs)) ? from.latest() : null;
    },
    close: async (timeoutMs = 5_000) => {
      const from = publisher();
      if (from === null) return;
      if (await from.settled(timeoutMs)) await from.rest();
      else warn(`assent: ${from.pending()} events are not published yet; they stay queued`);
    },
  };
}

/** A log that fails must not fail a request. */
function warningBy(log: { readonly warn: (line: string) => void }): (line: string) => void {
  return (line) => {
    try {
      log.warn(line);
    } catch {}
  };
}

function problemOf({ nats, prefix, stream, mode, domain, bufferSize, awaitMs }: AssentOptions): string | null {
  for (const url of nats?.split(',') ?? []) {
    // The URL may have a password: it is not repeated.
    const protocol = URL.canParse(url.trim()) ? new URL(url.trim()).protocol : '';
    if (protocol !== 'nats:' && protocol !== 'tls:') return 'nats must be a URL that begins with nats:// or tls://';
  }
  if (prefix && !/^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/.test(prefix)) {
    return 'prefix must be subject tokens joined by dots, without wildcards';
  }
  if (stream && !/^[A-Za-z0-9_-]+$/.test(stream)) return 'stream may have letters, digits, _ and - only';
  if (mode && mode !== 'stream' && mode !== 'core') return "mode must be 'stream' or 'core'";
  if (domain && !/^[A-Za-z0-9_-]+$/.test(domain)) return 'domain may have letters, digits, _ and - only';
  if (bufferSize !== undefined && !(Number.isInteger(bufferSize) && bufferSize > 0)) {
    return 'bufferSize must be a whole number above 0';
  }
  if (awaitMs !== undefined && !(Number.isInteger(awaitMs) && awaitMs > 0)) {
    return 'awaitMs must be a whole number above 0';
  }
  return null;
}

/** Gives a serverless platform the promise of the acknowledgement, so that it does not freeze the process before. */
function handOver({ options }: AuthContext, publisher: Publisher, warn: (line: string) => void): void {
  const waitUntil = options.advanced?.backgroundTasks?.handler;
  if (waitUntil === undefined) return;
  try {
    waitUntil(publisher.settled(BACKGROUND_MS));
  } catch (error) {
    // Outside of a request some platforms refuse it. The write is committed, and the event goes out all the same.
    warn(`assent: advanced.backgroundTasks.handler failed (${error instanceof Error ? error.name : 'error'})`);
  }
}
