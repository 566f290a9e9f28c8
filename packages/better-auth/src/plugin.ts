/** The plugin: an element of the `plugins` of a Better Auth instance, which publishes the changes of its adapter. */
import type { NatsTlsFiles } from '@assent/event-contract';
import type { AuthContext, BetterAuthPlugin } from 'better-auth';
import { createAuthMiddleware } from 'better-auth/api';
import { createModels } from './models.ts';
import { observeAdapter } from './observe.ts';
import type { Publisher } from './publisher.ts';
import { digestOf, publisherOf, type SharedOptions, sinkFor, warnOnce } from './shared.ts';

export interface AssentOptions {
  /**
   * The address of NATS: one URL or several separated by commas, with credentials. When it is empty or undefined, nothing is
   * published, and one warning says so.
   */
  readonly nats: string | undefined;
  /** The prefix of the subjects, as in Assent's `ASSENT_EVENTS_PREFIX`; `betterauth` when absent. */
  readonly prefix?: string | undefined;
  /** The JetStream stream, as in Assent's `NATS_STREAM`; `BETTERAUTH` when absent. Created when missing. */
  readonly stream?: string | undefined;
  /**
   * As in Assent's `NATS_MODE`; `stream` when absent: an event counts as delivered once JetStream has acknowledged it.
   * `core`: core NATS, which delivers to the current subscribers and keeps nothing.
   */
  readonly mode?: 'stream' | 'core' | undefined;
  /** The JetStream domain, as in Assent's `NATS_JETSTREAM_DOMAIN`; that of the server when absent. */
  readonly domain?: string | undefined;
  /** The path of a credentials file of NATS, as in Assent's `NATS_CREDENTIALS`, in place of credentials in the URL. */
  readonly credentials?: string | undefined;
  /** The paths of PEM files, as in Assent's `NATS_TLS_CERT`, `NATS_TLS_KEY` and `NATS_TLS_CA`. */
  readonly tls?:
    | { readonly cert?: string | undefined; readonly key?: string | undefined; readonly ca?: string | undefined }
    | undefined;
  /** How many events wait in memory while NATS is away. With one more, one `resync` replaces them all. 10,000 when absent. */
  readonly bufferSize?: number | undefined;
  /** Whether a write waits until NATS has acknowledged its event; false when absent. */
  readonly await?: boolean | undefined;
  /**
   * How long a write waits at most, in milliseconds; 2,000 when absent. The write then returns, since it is committed. Its
   * event stays queued, and a warning says so.
   */
  readonly awaitMs?: number | undefined;
}

/** Where the stream keeps an event: the acknowledgement of NATS. */
export interface Published {
  readonly stream: string;
  readonly sequence: number;
}

/** The plugin, with methods for applications. */
export interface AssentPlugin {
  readonly id: 'assent';
  readonly init: (context: AuthContext) => void;
  readonly hooks: Pick<NonNullable<BetterAuthPlugin['hooks']>, 'before'>;
  /** How many events of this process NATS has not acknowledged yet. */
  pending(): number;
  /**
   * Waits until all events so far are acknowledged, at most `timeoutMs` (`awaitMs` when absent). For an application that reads
   * its own write: a replica that has applied this sequence, or a later one, answers with it.
   * @returns The latest acknowledgement; null when it did not come in time, when there was no event yet, and on core NATS. A
   * check with full consistency reads the write in these cases.
   */
  published(timeoutMs?: number): Promise<Published | null>;
  /**
   * Waits until all events are published, at most `timeoutMs` (5 seconds when absent), and closes the connection: for scripts
   * and tests. The plugin goes on publishing events that are left, and keeps the process alive for up to 10 seconds from the
   * last change. Another change opens the connection again.
   */
  close(timeoutMs?: number): Promise<void>;
}

/** How long a serverless platform waits for an acknowledgement at most, in milliseconds: the time is billed. */
const BACKGROUND_MS = 10_000;

/**
 * Publishes every change that a decision depends on, after its commit. Raw SQL and cascades pass it by; the triggers in this
 * package's `sql` folder are for those.
 * @throws when an option is malformed.
 */
export function assent(options: AssentOptions): AssentPlugin {
  const given = { ...options, nats: options.nats?.trim() === '' ? undefined : options.nats };
  const problem = problemOf(given);
  if (problem !== null) throw new Error(`assent: ${problem}`);
  const { nats, prefix, stream, mode, domain, credentials, tls, bufferSize = 10_000, awaitMs = 2_000 } = given;
  const target: SharedOptions | null =
    nats === undefined
      ? null
      : {
          url: nats,
          prefix: prefix || 'betterauth',
          stream: stream || 'BETTERAUTH',
          mode: mode || 'stream',
          domain: domain || null,
          credentials: credentials || null,
          tls: tlsFilesOf(tls),
          bufferSize,
        };
  let warn = warningBy(console);
  const publisher = (): Publisher | null => (target === null ? null : publisherOf(target, warn));

  return {
    id: 'assent',
    init: (context) => {
      warn = warningBy(context.logger);
      if (target === null) {
        warnOnce('assent: no NATS URL is set: changes are not published to Assent', warn);
        return;
      }
      const sink = sinkFor(context.adapter, digestOf(target), async (changes) => {
        if (changes.length === 0) return;
        const to = publisherOf(target, warn);
        to.publish(changes);
        runInBackground(context, to, warn);
        if (given.await !== true || (await to.settled(awaitMs))) return;
        warn(`assent: a write returned before NATS acknowledged its event (${awaitMs} ms); the event stays queued`);
      });
      if (sink !== null) observeAdapter(context.adapter, createModels(context.tables), sink);
    },
    hooks: {
      before: [
        {
          // Connects at the first use of an endpoint, and not when the configuration is loaded: builds, migrations and
          // generators load it too, and publish nothing.
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

/** A logger that throws must not fail a request. */
function warningBy(log: { readonly warn: (line: string) => void }): (line: string) => void {
  return (line) => {
    try {
      log.warn(line);
    } catch {}
  };
}

function tlsFilesOf({ cert, key, ca }: NonNullable<AssentOptions['tls']> = {}): NatsTlsFiles | null {
  return cert || key || ca ? { cert: cert || null, key: key || null, ca: ca || null } : null;
}

function problemOf(options: AssentOptions): string | null {
  const { nats, prefix, stream, mode, domain, credentials, tls, bufferSize, awaitMs } = options;
  for (const url of nats?.split(',') ?? []) {
    // The message does not repeat the URL, which may have a password.
    const protocol = URL.canParse(url.trim()) ? new URL(url.trim()).protocol : '';
    if (protocol !== 'nats:' && protocol !== 'tls:') return 'nats must be a URL that begins with nats:// or tls://';
  }
  if (prefix && !/^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/.test(prefix)) {
    return 'prefix must be subject tokens joined by dots, without wildcards';
  }
  if (stream && !/^[A-Za-z0-9_-]+$/.test(stream)) return 'stream may have letters, digits, _ and - only';
  if (mode && mode !== 'stream' && mode !== 'core') return "mode must be 'stream' or 'core'";
  if (domain && !/^[A-Za-z0-9_-]+$/.test(domain)) return 'domain may have letters, digits, _ and - only';
  if (Boolean(tls?.cert) !== Boolean(tls?.key)) return 'tls.cert and tls.key must be set together';
  if (credentials && nats?.split(',').some((url) => new URL(url.trim()).username !== '')) {
    return 'credentials and a user or token in nats must not be set together';
  }
  if (bufferSize !== undefined && !(Number.isInteger(bufferSize) && bufferSize > 0)) {
    return 'bufferSize must be a whole number above 0';
  }
  if (awaitMs !== undefined && !(Number.isInteger(awaitMs) && awaitMs > 0)) {
    return 'awaitMs must be a whole number above 0';
  }
  return null;
}

/** Gives a serverless platform the promise of the acknowledgement, so that it does not freeze the process earlier. */
function runInBackground({ options }: AuthContext, publisher: Publisher, warn: (line: string) => void): void {
  const waitUntil = options.advanced?.backgroundTasks?.handler;
  if (waitUntil === undefined) return;
  try {
    waitUntil(publisher.settled(BACKGROUND_MS));
  } catch (error) {
    // Some platforms refuse it outside of a request. The write is committed, and the event is published all the same.
    warn(`assent: advanced.backgroundTasks.handler failed (${error instanceof Error ? error.name : 'error'})`);
  }
}
