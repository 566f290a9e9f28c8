/** One process that answers calls, from the first look at the database to the last call. */
import { setTimeout as delay } from 'node:timers/promises';
import { type App, createApp } from './app.ts';
import type { Config } from './config.ts';
import { describeError } from './errors.ts';
import type { Logger } from './telemetry/log.ts';
import type { Metrics, Scrape } from './telemetry/metrics.ts';
import { createReasons } from './telemetry/reasons.ts';

/** How long calls are still taken after NOT_SERVING, so that balancers hear of it before the doors close. */
const LAME_DUCK_MS = 1_000;
/** How long calls under way may take to end. */
const STOP_TIMEOUT_MS = 5_000;
const RETRY_MS = 1_000;

/** Who tells the process to stop and hears that it serves: itself, or the primary of several workers. */
export interface ServiceControl {
  readonly stopping: AbortSignal;
  /** Called when the doors are open and PostgreSQL can be read; `setServing` tells whoever asks the doors for health. */
  serving(addresses: Readonly<Record<string, string>>, setServing: (serving: boolean) => void): void;
  /** The metrics of the process, or of all workers. */
  readonly scrape: Scrape;
  /** A random key, the same in all workers of one replica. */
  readonly replicaKey: Promise<string>;
}

/** Waits until PostgreSQL can be read; the doors are open meanwhile and say NOT_SERVING. */
const waitForTables = async (app: App, log: Logger, signal: AbortSignal): Promise<void> => {
  const reasons = createReasons();
  while (!signal.aborted) {
    await delay(RETRY_MS, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    try {
      await app.findTables();
      return;
    } catch (error) {
      const reason = describeError(error);
      if (!signal.aborted && reasons.isNew(reason)) log.warn({ error: reason }, 'still not serving');
    }
  }
};

/**
 * Serves until `control.stopping` aborts.
 * @throws when the policy or the database's schema cannot be used, or an address cannot be listened on.
 */
export const runService = async (
  config: Config,
  log: Logger,
  metrics: Metrics,
  control: ServiceControl,
): Promise<void> => {
  const { stopping } = control;
  const app = await createApp(config, log, metrics, control.scrape, await control.replicaKey);
  const stopped = new Promise<void>((resolve) => {
    stopping.addEventListener('abort', () => resolve(), { once: true });
    if (stopping.aborted) resolve();
  });
  const setServing = (serving: boolean): void => {
    app.servers.setServing(serving && !stopping.aborted);
  };

  const found = await Promise.race([app.prepare(), stopped]);
  if (stopping.aborted) return app.end();
  const addresses: Record<string, string> = {};
  for (const { name, listen } of app.servers.all) {
    addresses[name] = await listen().catch((error: unknown) => {
      // Node's text has the address, and not which of the two settings it came from.
      throw new Error(`ASSENT_${name.toUpperCase()}_ADDRESS cannot be listened on: ${describeError(error)}`, {
        cause: error,
      });
    });
  }
  const serve = (): void => {
    if (!stopping.aborted) control.serving(addresses, setServing);
  };
  if (found) serve();
  else {
    log.warn(addresses, 'PostgreSQL cannot be read: not serving until it can');
    void waitForTables(app, log, stopping).then(serve);
  }

  await stopped;
  setServing(false);
  await delay(LAME_DUCK_MS);
  await Promise.all(app.servers.all.map((server) => server.stop(STOP_TIMEOUT_MS)));
  await app.end();
};
