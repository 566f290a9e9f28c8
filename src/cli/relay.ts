/**
 * `npm run relay`: brings the changes that triggers wrote into the outbox to NATS (docs/operate/events.md). It is a separate
 * process with its own connection and its own role; the service neither starts nor imports it. Exit code 0: stopped as asked;
 * 1: the configuration cannot be used.
 */
import { loadRelayConfig } from '../config/command-line.ts';
import { ConfigError } from '../config/reader.ts';
import { describeError } from '../errors.ts';
import { warnOfUnfixedNode } from '../node-version.ts';
import { type RelayObserver, runRelay } from '../relay/relay.ts';
import { stopOnSignals } from '../stop-signals.ts';
import { createLog, type Logger } from '../telemetry/log.ts';

const BATCH_SIZE = 500;
const POLL_MS = 1_000;
const ACK_TIMEOUT_MS = 5_000;

/** SQLSTATE: no such schema, no such table, no such function, or no right to it. */
const NO_OUTBOX = new Set(['3F000', '42P01', '42883', '42501']);

try {
  await main();
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}

async function main(): Promise<void> {
  const { logLevel, ...config } = loadRelayConfig(process.env);
  const log = createLog(logLevel);
  const stopping = stopOnSignals(log);
  warnOfUnfixedNode(log);
  const limits = { batchSize: BATCH_SIZE, pollMs: POLL_MS, ackTimeoutMs: ACK_TIMEOUT_MS };
  await runRelay({ ...config, ...limits, observer: observerFor(log) }, stopping);
  log.info({ event: 'process.stopped' }, 'stopped');
}

function observerFor(log: Logger): RelayObserver {
  let interrupted = false;
  return {
    state: (state) => {
      interrupted = false;
      if (state === 'standby') log.info({ event: 'relay.standby' }, 'another relay is at work: waiting for it to end');
      else log.info({ event: 'relay.active' }, 'relaying');
    },
    relayed: (count) => log.debug({ event: 'relay.published', count }, 'published'),
    // Only the first fault in a row is a warning. Nothing is lost meanwhile: changes wait in the outbox.
    fault: (error, retryInMs) => {
      const line = { event: 'relay.interrupted', error: describeError(error), ...hintFor(error), retryInMs };
      const message = 'not relaying: changes wait in the outbox';
      if (interrupted) log.debug(line, message);
      else log.warn(line, message);
      interrupted = true;
    },
  };
}

function hintFor(error: unknown): { readonly hint?: string } {
  const isMissing = error instanceof Error && 'code' in error && NO_OUTBOX.has(String(error.code));
  return isMissing
    ? { hint: 'run the output of "npm run -s sql -- outbox" in the database of RELAY_DATABASE_URL' }
    : {};
}
