/** SIGTERM and SIGINT, for the service and for the relay. */
import type { Logger } from './telemetry/log.ts';

/** npm forwards a signal that the terminal has already sent to the whole process group, as Ctrl-C does. */
const SAME_SIGNAL_MS = 1_000;

/** Aborts with the first SIGTERM or SIGINT. A second signal ends the process at once. */
export function stopOnSignals(log: Logger): AbortSignal {
  const stopping = new AbortController();
  let first: { readonly signal: NodeJS.Signals; readonly at: number } | null = null;
  const onSignal = (signal: NodeJS.Signals): void => {
    const at = performance.now();
    if (first !== null) {
      if (signal === first.signal && at - first.at < SAME_SIGNAL_MS) return;
      process.exit(1);
    }
    first = { signal, at };
    log.info({ event: 'process.stopping', signal }, 'stopping; a second signal stops at once');
    stopping.abort();
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  return stopping.signal;
}
