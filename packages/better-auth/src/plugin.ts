/** The plugin for Better Auth's list. */
import type { BetterAuthPlugin } from 'better-auth';
import { createAuthMiddleware } from 'better-auth/api';
import { createModels } from './models.ts';
import { observeAdapter } from './observe.ts';
import { createPublisher, type Publisher } from './publisher.ts';

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
  /** Events that wait in memory while NATS is away, before they are given up for one `resync`; 10,000 when absent. */
  readonly bufferSize?: number | undefined;
}

/** Adapters that tell somebody already, and where they do. */
const observed = new WeakMap<object, Map<string, Publisher>>();

const check = ({ nats, prefix = '', stream = '', bufferSize }: AssentOptions): string | null => {
  for (const url of nats?.split(',') ?? []) {
    // The URL may have a password: it is not repeated.
    const protocol = URL.canParse(url.trim()) ? new URL(url.trim()).protocol : '';
    if (protocol !== 'nats:' && protocol !== 'tls:') return 'nats must be a URL that begins with nats:// or tls://';
  }
  if (prefix !== '' && !/^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/.test(prefix)) {
    return 'prefix must be subject tokens joined by dots, without wildcards';
  }
  if (stream !== '' && !/^[A-Za-z0-9_-]+$/.test(stream)) return 'stream may have letters, digits, _ and - only';
  if (bufferSize !== undefined && !(Number.isInteger(bufferSize) && bufferSize > 0)) {
    return 'bufferSize must be a whole number above 0';
  }
  return null;
};

/**
 * Publishes every change that a decision depends on, after its commit and in the background. Requests neither wait for
 * NATS nor fail with it. Raw SQL and cascades are not seen: the triggers of this package's `sql` folder are for those.
 * @throws when an option is malformed.
 */
export const assent = (options: AssentOptions) => {
  const given = { ...options, nats: options.nats?.trim() === '' ? undefined : options.nats };
  const problem = check(given);
  if (problem !== null) throw new Error(`assent: ${problem}`);
  const { nats, prefix, stream, bufferSize = 10_000 } = given;
  let publisher: Publisher | null = null;
  let warn = (line: string): void => console.warn(line);

  if (nats !== undefined) {
    publisher = createPublisher({
      url: nats,
      prefix: prefix || 'betterauth',
      stream: stream || 'BETTERAUTH',
      bufferSize,
      warn: (line) => warn(line),
    });
  }

  return {
    id: 'assent',
    init: (context) => {
      warn = (line) => context.logger.warn(line);
      if (publisher === null) {
        warn('assent: no NATS URL is set, so that nobody is told of changes');
        return;
      }
      const publishers = observed.get(context.adapter) ?? new Map<string, Publisher>();
      observed.set(context.adapter, publishers);
      const target = JSON.stringify([nats, prefix || '', stream || '']);
      const other = publishers.get(target);
      if (other !== undefined && other !== publisher) {
        warn('assent: the plugin is there twice for the same NATS; the first one publishes');
        publisher = null;
        return;
      }
      // The same plugin object may be in the options of several instances.
      if (other !== undefined) return;
      publishers.set(target, publisher);
      observeAdapter(context.adapter, createModels(context.tables), publisher.publish);
    },
    hooks: {
      before: [
        {
          // Begins with the first use of an endpoint, and not when the configuration is loaded: builds, migrations and
          // generators load it too, and have nothing to say.
          matcher: () => {
            publisher?.start();
            return false;
          },
          handler: createAuthMiddleware(async () => {}),
        },
      ],
    },
    /** How many events are not acknowledged by NATS yet. */
    pending: (): number => publisher?.pending() ?? 0,
    /**
     * Waits until everything is published, 5 seconds at most unless told, and closes the connection: for scripts and
     * tests. Changes after it are not published.
     */
    close: async (timeoutMs = 5_000): Promise<void> => publisher?.close(timeoutMs),
  } satisfies BetterAuthPlugin & Record<string, unknown>;
};
