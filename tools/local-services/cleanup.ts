/** Something that must not outlive this process. */
export interface Cleanup {
  /** Stops it and waits, bounded. Must not throw. */
  stop(): Promise<void>;
  /** The same as well as it goes without waiting, for the `exit` event, where nothing asynchronous runs any more. */
  abandon(): void;
}

const signals = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;
type EndingSignal = keyof typeof signals;

/** How long a program's own signal handler may take before everything is stopped over its head. */
const patienceMs = 15_000;

const registered = new Set<Cleanup>();
let stopping = false;

/**
 * Registers what must be stopped when this process ends: at its exit, and on SIGINT, SIGTERM and SIGHUP. A signal then
 * still ends the process by that signal, as without us. Where the program has its own handler, that one decides
 * the order; what it leaves behind goes at exit.
 */
export function registerCleanup(cleanup: Cleanup): void {
  if (registered.size === 0) {
    process.on('exit', abandonAll);
    for (const signal of Object.keys(signals)) {
      process.on(signal, onSignal);
    }
  }
  registered.add(cleanup);
}

/** Forgets what has been stopped; with the last one the handlers go too, so that an idle process is left as it was. */
export function unregisterCleanup(cleanup: Cleanup): void {
  if (registered.delete(cleanup) && registered.size === 0) {
    removeHandlers();
  }
}

function removeHandlers(): void {
  process.off('exit', abandonAll);
  for (const signal of Object.keys(signals)) {
    process.off(signal, onSignal);
  }
}

function abandonAll(): void {
  for (const cleanup of registered) {
    cleanup.abandon();
  }
  registered.clear();
}

function onSignal(signal: EndingSignal): void {
  if (process.listenerCount(signal) > 1) {
    // Two handlers that each wait for the other to end the process would hang it for ever.
    setTimeout(() => process.exit(128 + signals[signal]), patienceMs).unref();
    return;
  }
  if (stopping) {
    endBy(signal);
    return;
  }
  stopping = true;
  void Promise.allSettled([...registered].map((cleanup) => cleanup.stop())).then(() => endBy(signal));
}

function endBy(signal: EndingSignal): void {
  abandonAll();
  removeHandlers();
  process.kill(process.pid, signal);
}
