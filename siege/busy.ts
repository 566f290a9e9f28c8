/** A process that takes what it gets of its core, until its IPC channel ends. */

/** Between two looks at the channel. */
const BUSY_MS = 50;

function spin(): void {
  const until = performance.now() + BUSY_MS;
  while (performance.now() < until);
  setImmediate(spin);
}

process.on('disconnect', () => process.exit());
spin();
