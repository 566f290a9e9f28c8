/** The process: configuration, start, signals, exit codes. 0: stopped as asked; 1: could not start or broke. */
import { setTimeout as delay } from 'node:timers/promises';
import { type App, createApp } from './app.ts';
import { type Config, ConfigError, loadConfig } from './config.ts';
import { createLog, type Logger } from './telemetry/log.ts';

/** How long calls are still taken after NOT_SERVING, so that balancers hear of it before the doors close. */
const LAME_DUCK_MS = 1_000;
/** How long calls under way may take to end. */
const STOP_TIMEOUT_MS = 5_000;
const RETRY_MS = 1_000;

/** One line for each thing that is not as it should be in production, and what it costs. */
const sayWhatIsMissing = (config: Config, log: Logger): void => {
  if (config.insecure) {
    log.warn('ASSENT_INSECURE=1: everybody who reaches the ports can call, and GetUser is a directory of people');
  }
  if (config.redisUrl === null) {
    log.warn('REDIS_URL is not set: each process remembers for itself, and a restart begins with an empty memory');
  }
  if (config.nats === null) {
    log.warn(
      `NATS_URL is not set: nothing tells of changes, so a revoked permission can be granted for up to ${config.ttlSeconds} seconds more`,
    );
  }
  if (config.hs256.secrets.length === 0) log.warn('BETTER_AUTH_SECRET is not set: HS256 tokens are refused');
  if (config.jwks === null) log.warn('ASSENT_JWKS is off: only HS256 tokens are taken');
  if (config.policyPath === null) {
    log.warn("ASSENT_POLICY is not set: Better Auth's default roles (owner, admin, member) are in force");
  }
};

/** Serves as soon as PostgreSQL can be read; until then the doors are open and say NOT_SERVING. */
const waitForTables = async (app: App, log: Logger, signal: AbortSignal): Promise<void> => {
  log.warn('PostgreSQL cannot be reached: not serving until it can');
  while (!signal.aborted) {
    await delay(RETRY_MS, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    try {
      await app.findTables();
      return;
    } catch (error) {
      log.warn({ error: error instanceof Error ? error.message : String(error) }, 'still not serving');
    }
  }
};

const run = async (config: Config, log: Logger): Promise<void> => {
  sayWhatIsMissing(config, log);
  const stopping = new AbortController();
  const app = await createApp(config, log);
  const stopped = new Promise<void>((resolve) => {
    const onSignal = (signal: NodeJS.Signals): void => {
      if (stopping.signal.aborted) process.exit(1);
      log.info({ signal }, 'stopping; the same signal again stops at once');
      stopping.abort();
      resolve();
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });

  const found = await app.prepare();
  const addresses: Record<string, string> = {};
  for (const { name, door } of app.doors) addresses[name] = await door.listen();
  const setServing = (serving: boolean): void => {
    for (const { door } of app.doors) door.setServing(serving);
  };
  const serve = (): void => {
    if (stopping.signal.aborted) return;
    setServing(true);
    log.info(addresses, 'serving');
  };
  if (found) serve();
  else void waitForTables(app, log, stopping.signal).then(serve);

  await stopped;
  setServing(false);
  await delay(LAME_DUCK_MS);
  await Promise.all(app.doors.map(({ door }) => door.stop(STOP_TIMEOUT_MS)));
  await app.end();
  log.info('stopped');
};

const main = async (): Promise<void> => {
  let config: Config;
  try {
    config = loadConfig(process.env);
  } catch (error) {
    // Before there is a log level there is no log; operators read this line.
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
    return;
  }
  const log = createLog(config.logLevel);
  // A promise that nobody waited for is a defect; going on after it would be guessing.
  process.on('unhandledRejection', (error) => {
    log.fatal({ err: error }, 'a defect: unhandled rejection');
    process.exit(1);
  });
  try {
    await run(config, log);
  } catch (error) {
    log.fatal({ error: error instanceof Error ? error.message : String(error) }, 'cannot start');
    process.exitCode = 1;
  }
  // Connections that linger must not keep a process that has said that it stopped.
  process.exit();
};

await main();
