/** One scrape for everyone who asks. A scrape costs a millisecond of the event loop, and an answer from it costs nothing. */

/** Scrapes that may follow each other at once: several Prometheus servers and a person. */
const BURST = 10;
const PER_SECOND = 1;

/**
 * Shares the results of `scrape`: requests during a scrape wait for it. After ten scrapes at once, one a second is made, and
 * requests in between get the last result.
 * @param now Monotonic milliseconds.
 */
export function shareScrapes<Result>(
  scrape: () => Promise<Result>,
  now: () => number = () => performance.now(),
): () => Promise<Result> {
  let last: Promise<Result> | null = null;
  let underWay = false;
  let left = BURST;
  let counted = now();

  return () => {
    if (underWay && last !== null) return last;
    const at = now();
    left = Math.min(BURST, left + ((at - counted) / 1_000) * PER_SECOND);
    counted = at;
    if (left < 1 && last !== null) return last;
    left -= 1;
    underWay = true;
    last = scrape().finally(() => {
      underWay = false;
    });
    // A scrape that failed is no result. Its own requests get the error.
    last.catch(() => {
      last = null;
    });
    return last;
  };
}
