/** When the demo has to end although nothing is wrong with it. */

const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
const LOOK_EVERY_MS = 500;

/**
 * Resolves with the exit code of the interruption: at the first signal, when stdout has no reader any more, and
 * when npm's shell has gone. A second signal ends the process at once; servers are then ended by their watchdogs.
 */
export const interrupted = (): Promise<number> => {
  const { promise, resolve } = Promise.withResolvers<number>();
  let first = true;
  for (const [signal, code] of Object.entries(SIGNALS)) {
    process.on(signal, () => {
      if (!first) process.exit(code);
      first = false;
      resolve(code);
    });
  }
  process.stdout.on('error', () => resolve(1));
  // A SIGTERM to `npm run` reaches the shell between npm and us, which dies of it without passing it on.
  const parent = process.ppid;
  if (process.env['npm_lifecycle_event'] !== undefined) {
    setInterval(() => {
      if (process.ppid !== parent) resolve(SIGNALS.SIGTERM);
    }, LOOK_EVERY_MS).unref();
  }
  return promise;
};
