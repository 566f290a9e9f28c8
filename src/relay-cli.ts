/**
 * `npm run relay`: brings the changes that triggers wrote into the outbox to NATS (docs/operate/events.md). A process of its own,
 * on a connection and as a role of its own; the service neither starts it nor imports it. 0: stopped as asked; 1: the
 * configuration cannot be used.
 */
import { loadRelayConfig } from './config/programs.ts';
import { ConfigError } from './config/reader.ts';
import { describeError } from './errors.ts';
import { warnOfUnfixedNode } from './node-version.ts';
import { runRelay } from './relay/relay.ts';
import { stopOnSignals } from './stop-signals.ts';
import { createLog } from './telemetry/log.ts';

const BATCH_SIZE = 500;
const POLL_MS = 1_000;
const ACK_TIMEOUT_MS = 5_000;

/** SQLSTATE: no such schema, no such table, no such function, or no right to it. */
const NO_OUTBOX = new Set(['3F000', '42P01', '42883', '42501']);

const hintFor = (error: unknown): { readonly hint?: string } =>
  error instanceof Error && 'code' in error && NO_OUTBOX.has(String(error.code))
    ? { hint: 'run what "npm run -s sql -- outbox" prints in the database of RELAY_DATABASE_URL' }
    : {};

const main = async (): Promise<number> => {
  const { logLevel, ...config } = loadRelayConfig(process.env);
  const log = createLog(logLevel);
  const stopping = stopOnSignals(log);
  warnOfUnfixedNode(log);
  let faulty = false;
  await runRelay(
    {
      ...config,
      batchSize: BATCH_SIZE,
      pollMs: POLL_MS,
      ackTimeoutMs: ACK_TIMEOUT_MS,
      observer: {
        state: (state) => {
          faulty = false;
          log.info(state === 'standby' ? 'another relay is at work: waiting for it to end' : 'relaying');
        },
        relayed: (count) => log.debug({ count }, 'published'),
        // The first of a row is said aloud: what waits is in the outbox, and nothing is lost meanwhile.
        fault: (error, retryInMs) => {
          const line = { error: describeError(error), ...hintFor(error), retryInMs };
          log[faulty ? 'debug' : 'warn'](line, 'not relaying: changes wait in the outbox');
          faulty = true;
        },
      },
    },
    stopping,
  );
  log.info('stopped');
  return 0;
};

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
