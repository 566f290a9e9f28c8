/** How a program of ours is told to stop. */
import type { Logger } from './telemetry/log.ts';

/** npm passes on a signal that was sent to the whole group, as by Ctrl-C, to those who have heard it. */
const SAME_SIGNAL_MS = 1_000;

/** Aborts with the first SIGTERM or SIGINT; the second ends the process at once. */
export const stopOnSignals = (log: Logger): AbortSignal => {
  const stopping = new AbortController();
  let first: { readonly signal: NodeJS.Signals; readonly at: number } | null = null;
  const onSignal = (signal: NodeJS.Signals): void => {
    const at = performance.now();
    if (first !== null) {
      if (signal === first.signal && at - first.at < SAME_SIGNAL_MS) return;
      process.exit(1);
    }
    first = { signal, at };
    log.info({ signal }, 'stopping; a second signal stops at once');
    stopping.abort();
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  return stopping.signal;
};
