/** The process: configuration, signals, workers, exit codes. 0: stopped as asked; 1: could not start or broke. */
import cluster from 'node:cluster';
import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { type Config, ConfigError, loadConfig } from './config.ts';
import { warnOfUnfixedNode } from './node-version.ts';
import { clearStaleSocket } from './server/address.ts';
import { runService, type ServiceControl } from './service.ts';
import { stopOnSignals } from './stop-signals.ts';
import { createLog, type Logger } from './telemetry/log.ts';
import { createMetrics } from './telemetry/metrics.ts';
import { runPrimary } from './workers/primary.ts';
import { createWorkerControl } from './workers/worker.ts';

/** One line for each thing that is not as it should be in production, and what it costs. */
const sayWhatIsMissing = (config: Config, log: Logger): void => {
  for (const name of config.unknown) log.warn(`${name} is not a variable that Assent knows: it has no effect`);
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
  if (config.signingKeys.length === 0) {
    log.warn(
      { event: 'signing.no_key' },
      'Neither ASSENT_SIGNING_KEY nor BETTER_AUTH_SECRET is set: replicas do not answer from the entries in Redis that others wrote, and page tokens are not signed',
    );
  }
  if (config.nats?.mode === 'core') {
    log.warn(
      { event: 'events.core_mode' },
      `NATS_MODE=core: where core NATS loses a message, a revoked permission can be granted for up to ${config.ttlSeconds} seconds more`,
    );
  }
  if (config.tokens.hs256.secrets.length === 0) log.warn('BETTER_AUTH_SECRET is not set: HS256 tokens are refused');
  if (config.tokens.issuers.length === 0)
    log.warn('no issuer of published keys is configured: only HS256 tokens are taken');
  if (config.policyPath === null) {
    log.warn("ASSENT_POLICY is not set: Better Auth's default roles (owner, admin, member) are in force");
  }
};

const run = async (config: Config, log: Logger): Promise<number> => {
  if (cluster.isWorker) {
    const metrics = createMetrics();
    await runService(config, log, metrics, createWorkerControl(metrics));
    return 0;
  }
  const stopping = stopOnSignals(log);
  warnOfUnfixedNode(log);
  sayWhatIsMissing(config, log);
  for (const address of [config.grpcAddress, config.httpAddress]) if (address !== null) await clearStaleSocket(address);
  const workers = config.workers === 0 ? availableParallelism() : config.workers;
  const replicaKey = randomBytes(32).toString('base64url');
  if (workers > 1) return runPrimary(workers, stopping, log, replicaKey);
  const metrics = createMetrics();
  const control: ServiceControl = {
    stopping,
    scrape: metrics.scrape,
    replicaKey: Promise.resolve(replicaKey),
    serving: (addresses, setServing) => {
      setServing(true);
      log.info(addresses, 'serving');
    },
  };
  await runService(config, log, metrics, control);
  return 0;
};

const main = async (): Promise<void> => {
  let config: Config;
  try {
    config = loadConfig(process.env);
  } catch (error) {
    // Before there is a log level there is no log; operators read this line.
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
  const log = createLog(config.logLevel);
  // Also of promises that nobody waited for. Going on after it would be guessing.
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'a defect: the process ends');
    process.exit(1);
  });
  let exitCode = 1;
  try {
    exitCode = await run(config, log);
    if (cluster.isPrimary) log.info('stopped');
  } catch (error) {
    log.fatal({ error: error instanceof Error ? error.message : String(error) }, 'cannot start');
  }
  // Connections that linger must not keep a process that has said that it stopped.
  process.exit(exitCode);
};

await main();
