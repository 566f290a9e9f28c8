/** Resolves in the next turn of the event loop: promises that are resolved already have had their effects by then. */
export function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
