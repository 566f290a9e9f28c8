/** SIGHUP, by which files are read again; and SIGUSR2, which would end the process. */
import type { Logger } from './telemetry/log.ts';

/** A listener to SIGHUP. */
export interface ReloadSignal {
  /** Called at each SIGHUP, with the last `listener`. Before the first one SIGHUP does nothing: the files are being read. */
  onReload(listener: () => void): void;
}

/** Takes SIGHUP, which ends a process by default, as soon as it is called. */
export function reloadOnSignal(log: Logger): ReloadSignal {
  let reload = (): void => {};
  process.on('SIGHUP', () => {
    log.info({ event: 'process.reloading' }, 'SIGHUP: the policy, the callers and the TLS files are read again');
    reload();
  });
  // Tools that rotate logs send it. Node ends a process that does not take it.
  process.on('SIGUSR2', () =>
    log.warn({ event: 'process.signal_ignored', signal: 'SIGUSR2' }, 'the signal has no effect'),
  );
  return {
    onReload: (listener) => {
      reload = listener;
    },
  };
}
