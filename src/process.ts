/** The process: configuration, signals, workers. Exit codes: 0 after a stop, 1 when it cannot start or has a defect. */
import cluster from 'node:cluster';
import { randomBytes } from 'node:crypto';
import { createApp } from './app.ts';
import { type Config, ConfigError, loadConfig } from './config/index.ts';
import { warnOfUnfixedNode } from './node-version.ts';
import { reloadOnSignal } from './reload-signal.ts';
import { clearStaleSocket } from './server/address.ts';
import { umaskFor } from './server/unix-socket.ts';
import { runService, type ServiceControl } from './service.ts';
import { stopOnSignals } from './stop-signals.ts';
import { createLog, defectFields, type Logger } from './telemetry/log.ts';
import { createMetrics, type Metrics } from './telemetry/metrics.ts';
import { runPrimary } from './workers/primary.ts';
import { createWorkerControl } from './workers/worker.ts';

await main();

async function main(): Promise<void> {
  const config = loadConfigOrExit();
  const log = createLog(config.logLevel);
  // Node reports rejections that have no handler here, too. The state after a defect is unknown, so the process ends.
  process.on('uncaughtException', (error: unknown) => {
    log.fatal({ event: 'process.defect', ...defectFields(error) }, 'a defect: the process ends');
    process.exit(1);
  });
  let exitCode = 1;
  try {
    exitCode = await run(config, log);
    if (cluster.isPrimary) log.info({ event: 'process.stopped' }, 'stopped');
  } catch (error) {
    log.fatal(
      { event: 'process.cannot_start', error: error instanceof Error ? error.message : String(error) },
      'cannot start',
    );
  }
  // Open connections must not keep the process alive after the line `process.stopped`.
  process.exit(exitCode);
}

function loadConfigOrExit(): Config {
  try {
    return loadConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    // The log needs a level from the configuration, so the problems go to stderr.
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}

/** @returns The exit code. */
async function run(config: Config, log: Logger): Promise<number> {
  if (cluster.isWorker) {
    const metrics = createMetrics();
    await serve(config, log, metrics, createWorkerControl(metrics));
    return 0;
  }
  const stopping = stopOnSignals(log);
  const reload = reloadOnSignal(log);
  warnOfUnfixedNode(log);
  warnOfConfig(config, log);
  const addresses = [config.grpcAddress, config.httpAddress, config.metricsAddress].filter((one) => one !== null);
  for (const address of addresses) await clearStaleSocket(address);
  const replicaKey = randomBytes(32).toString('base64url');
  const { workers: count, lameDuckMs } = config;
  if (count > 1 && addresses.some(({ kind }) => kind === 'unix')) {
    // The primary process makes the sockets, whenever a worker listens. It makes no other files.
    process.umask(umaskFor(config.socketMode));
  }
  if (count > 1) return runPrimary({ count, lameDuckMs }, stopping, reload, log, replicaKey);
  const metrics = createMetrics();
  const control: ServiceControl = {
    stopping,
    onReload: reload.onReload,
    scrape: metrics.scrape,
    replicaKey: Promise.resolve(replicaKey),
    serving: (addresses, setServing) => {
      setServing(true);
      log.info({ event: 'service.serving', ...addresses }, 'serving');
    },
  };
  await serve(config, log, metrics, control);
  return 0;
}

async function serve(config: Config, log: Logger, metrics: Metrics, control: ServiceControl): Promise<void> {
  const app = await createApp(config, log, metrics, control.scrape, await control.replicaKey);
  await runService(app, log, control);
}

/** Logs one line for each setting that is unusual in production, with its consequence. */
function warnOfConfig(config: Config, log: Logger): void {
  for (const variable of config.unknown) {
    log.warn(
      { event: 'config.unknown_variable', variable },
      `${variable} is not a variable of Assent: it has no effect`,
    );
  }
  if (config.insecure) {
    log.warn(
      { event: 'config.insecure' },
      'ASSENT_INSECURE=1: anyone with access to the ports can call, and GetUser lists people',
    );
  }
  if (config.redis === null) {
    log.warn(
      { event: 'config.no_redis' },
      'REDIS_URL is not set: each process has its own cache, and starts with an empty one',
    );
  }
  if (config.nats === null) {
    log.warn(
      { event: 'config.no_nats' },
      `NATS_URL is not set: no event reports a change, so a revoked permission can be granted for up to ${config.ttlSeconds} seconds more`,
    );
  }
  if (config.nats?.mode === 'core') {
    log.warn(
      { event: 'config.core_nats' },
      `NATS_MODE=core: when core NATS loses a message, a revoked permission can be granted for up to ${config.ttlSeconds} seconds more`,
    );
  }
  if (config.signingKeys.length === 0) {
    log.warn(
      { event: 'config.no_signing_key' },
      'Neither ASSENT_SIGNING_KEY nor BETTER_AUTH_SECRET is set: replicas do not use the Redis entries of other replicas, and page tokens are not signed',
    );
  }
  if (config.tokens.hs256.secrets.length === 0) {
    log.warn({ event: 'config.no_secret' }, 'BETTER_AUTH_SECRET is not set: HS256 tokens are refused');
  }
  if (config.tokens.issuers.length === 0) {
    log.warn({ event: 'config.no_issuer' }, 'no issuer with published keys is configured: only HS256 tokens verify');
  }
  if (config.policyPath === null) {
    log.warn(
      { event: 'config.default_policy' },
      "ASSENT_POLICY is not set: Better Auth's default roles (owner, admin, member) are in effect",
    );
  }
}
