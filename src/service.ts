/** The life of a service: start, serve, drain, end. `app.ts` composes its parts. */
import { setTimeout as delay } from 'node:timers/promises';
import { describeError } from './errors.ts';
import { LIMITS } from './limits.ts';
import type { Servers } from './server/servers.ts';
import type { Logger } from './telemetry/log.ts';
import type { Scrape } from './telemetry/metrics.ts';
import { oncePerReason } from './telemetry/rate-limited-log.ts';

/** The parts behind the servers, as far as they start and end; null for a part that is not configured. */
export interface Parts {
  readonly policy: { start(): Promise<void>; reload(): Promise<void>; stop(): void };
  readonly callers: { start(): void; reload(): Promise<void>; stop(): void };
  readonly certificates: { start(): void; reload(): Promise<void>; stop(): void } | null;
  readonly directory: { schema(): Promise<unknown>; end(): Promise<void> };
  readonly keys: { start(): Promise<void>; stop(): void };
  readonly redis: { end(): void } | null;
  readonly traces: { stop(): Promise<void> } | null;
  /** Subscribes to events. */
  readonly listen: () => { readyWithin(timeoutMs: number): Promise<unknown>; stop(): Promise<void> } | null;
  /** True for an error that only means that PostgreSQL cannot be reached at the moment. */
  readonly isDatabaseAway: (error: unknown) => boolean;
}

/** The start and the end of all parts behind the servers. */
export interface Lifecycle {
  /**
   * Reads the policy, finds Better Auth's tables and subscribes to events.
   * @returns False when PostgreSQL could not be reached.
   * @throws when the policy or the database's schema cannot be used.
   */
  prepare(): Promise<boolean>;
  /** Looks for Better Auth's tables again; rejects while they cannot be read. */
  findTables(): Promise<void>;
  /** Reads the policy, the callers and the TLS files now. Files with a problem leave those before them in force. */
  reload(): Promise<void>;
  /** Ends all parts behind the servers. */
  end(): Promise<void>;
}

/** A composed service, before its start. */
export interface App extends Lifecycle {
  readonly servers: Servers;
  /** How long the servers still take calls after NOT_SERVING, so that load balancers notice it first. In milliseconds. */
  readonly lameDuckMs: number;
}

/** The environment of a service: the process itself, or the primary process of several workers. */
export interface ServiceControl {
  readonly stopping: AbortSignal;
  /** Calls `listener` whenever files have to be read again. */
  onReload(listener: () => void): void;
  /** Called when the servers listen and PostgreSQL can be read; `setServing` sets the health of the service. */
  serving(addresses: Readonly<Record<string, string>>, setServing: (serving: boolean) => void): void;
  /** The metrics of the process, or of all workers. */
  readonly scrape: Scrape;
  /** A random key, the same in all workers of one replica. */
  readonly replicaKey: Promise<string>;
}

/** How long calls under way may take to end. */
const STOP_TIMEOUT_MS = 5_000;
const RETRY_MS = 1_000;

/**
 * Serves until `control.stopping` aborts.
 * @throws when the policy or the database's schema cannot be used, or an address cannot be listened on.
 */
export async function runService(app: App, log: Logger, control: ServiceControl): Promise<void> {
  const { stopping } = control;
  const stopped = new Promise<void>((resolve) => {
    stopping.addEventListener('abort', () => resolve(), { once: true });
    if (stopping.aborted) resolve();
  });
  const setServing = (serving: boolean): void => app.servers.setServing(serving && !stopping.aborted);

  const found = await Promise.race([app.prepare(), stopped]);
  if (stopping.aborted) return app.end();
  control.onReload(() => void app.reload());
  const addresses = await listenOnAll(app.servers);
  const serve = (): void => {
    if (!stopping.aborted) control.serving(addresses, setServing);
  };
  if (found) serve();
  else {
    log.warn({ event: 'service.not_serving', ...addresses }, 'PostgreSQL cannot be read: not serving until it can');
    void waitForTables(app, log, stopping).then(serve);
  }

  await stopped;
  setServing(false);
  app.servers.drain();
  await delay(app.lameDuckMs);
  await Promise.all(app.servers.all.map((server) => server.stop(STOP_TIMEOUT_MS)));
  await app.end();
}

/** @returns The addresses by the names of the servers. When one cannot listen, those before it have ended: unix sockets are files. */
async function listenOnAll(servers: Servers): Promise<Readonly<Record<string, string>>> {
  const addresses: Record<string, string> = {};
  for (const [index, { name, listen }] of servers.all.entries()) {
    addresses[name] = await listen().catch(async (error: unknown) => {
      await Promise.all(servers.all.slice(0, index).map((server) => server.stop(0)));
      // Node's text names the address, but not the setting.
      throw new Error(`ASSENT_${name.toUpperCase()}_ADDRESS cannot be listened on: ${describeError(error)}`, {
        cause: error,
      });
    });
  }
  return addresses;
}

/** Waits until PostgreSQL can be read. Meanwhile the servers listen and report NOT_SERVING. */
async function waitForTables(app: App, log: Logger, signal: AbortSignal): Promise<void> {
  const reasons = oncePerReason();
  while (!signal.aborted) {
    await delay(RETRY_MS, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    try {
      await app.findTables();
      return;
    } catch (error) {
      const reason = describeError(error);
      if (signal.aborted || !reasons.isNew(reason)) continue;
      log.warn({ event: 'service.still_not_serving', error: reason }, 'still not serving');
    }
  }
}

/** The order in which the parts start and end. It starts nothing before {@link Lifecycle.prepare}. */
export function createLifecycle(parts: Parts): Lifecycle {
  const { policy, callers, certificates, directory, keys, redis, traces, listen, isDatabaseAway } = parts;
  let listener: ReturnType<Parts['listen']> = null;

  async function findTables(): Promise<void> {
    await directory.schema();
    // The JWKS cache retries a failed first fetch by itself.
    await keys.start();
  }

  async function tryTables(): Promise<boolean> {
    try {
      await findTables();
      return true;
    } catch (error) {
      if (isDatabaseAway(error)) return false;
      throw error;
    }
  }

  return {
    prepare: async () => {
      await policy.start();
      callers.start();
      certificates?.start();
      listener = listen();
      const [found] = await Promise.all([tryTables(), listener?.readyWithin(LIMITS.firstLeaseMs)]);
      return found;
    },
    findTables,
    reload: async () => {
      await Promise.all([policy.reload(), callers.reload(), certificates?.reload()]);
    },
    end: async () => {
      policy.stop();
      callers.stop();
      certificates?.stop();
      keys.stop();
      // Each part bounds its own wait for a server without an answer. In sequence they would exceed the time of a stop.
      await Promise.all([listener?.stop(), traces?.stop(), directory.end()]);
      redis?.end();
    },
  };
}
