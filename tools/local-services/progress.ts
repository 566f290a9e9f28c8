const everyMs = 5000;

/**
 * Writes to stderr the current work, its duration so far every 5 s, and its end, so that the user does not take
 * a download for a hang.
 * @param work gets a function that names the current step
 */
export async function withProgress<T>(what: string, work: (step: (name: string) => void) => Promise<T>): Promise<T> {
  const started = performance.now();
  const seconds = () => ((performance.now() - started) / 1000).toFixed(0);
  let current = 'working';
  say(`${what} ...`);
  const timer = setInterval(() => say(`  ${current} (${seconds()} s so far)`), everyMs);
  try {
    const result = await work((name) => {
      current = name;
    });
    say(`  done in ${seconds()} s`);
    return result;
  } finally {
    clearInterval(timer);
  }
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
