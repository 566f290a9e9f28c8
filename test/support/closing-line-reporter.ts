import type { Reporter, TestModule } from 'vitest/node';

/** What the closing line counts. */
interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/**
 * Prints `N passed, N failed, N skipped` as the very last line of the run, for scripts that read the output. What
 * failed outside of a test (a file that does not load, a hook, an unhandled error) counts as failed, and so does a run
 * that ends in an error that no reporter receives, such as that of the global set-up: `0 failed` means a run that
 * passed.
 */
export function createClosingLineReporter(): Reporter {
  let counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  return {
    onInit() {
      // Errors of the set-up and of the teardown are printed after the last call to a reporter.
      process.once('exit', (code) => {
        process.stdout.write(`${closingLine(counts, code !== 0)}\n`);
      });
    },
    onTestRunEnd(modules, unhandledErrors) {
      counts = countResults(modules, unhandledErrors.length);
    },
  };
}

/** The line itself; `hasFailed` is what the exit code says. */
export function closingLine({ passed, failed, skipped }: Counts, hasFailed: boolean): string {
  return `${passed} passed, ${hasFailed && failed === 0 ? 1 : failed} failed, ${skipped} skipped`;
}

function countResults(modules: readonly TestModule[], unhandled: number): Counts {
  const counts = { passed: 0, failed: unhandled, skipped: 0 };
  for (const module of modules) {
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      // A test that never ran to its end, because the run was stopped, did not pass.
      counts[state === 'pending' ? 'failed' : state] += 1;
    }
    counts.failed += module.errors().length;
    for (const suite of module.children.allSuites()) {
      counts.failed += suite.errors().length;
    }
  }
  return counts;
}
