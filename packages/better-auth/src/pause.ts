/** A wait that can be cut short. */

export interface Pause {
  /** Until {@link end}, and at most `ms`. */
  wait(ms: number, options: { readonly keepAlive: boolean }): Promise<void>;
  /** Ends the wait that is on, if any. */
  end(): void;
}

/** Creates the pause of one loop. */
export const createPause = (): Pause => {
  let end = (): void => {};
  return {
    wait: (ms, { keepAlive }) =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, ms);
        if (!keepAlive) timer.unref();
        end = () => {
          clearTimeout(timer);
          resolve();
        };
      }),
    end: () => end(),
  };
};
