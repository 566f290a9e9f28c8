import { defineConfig } from 'vitest/config';
import { createClosingLineReporter } from './test/support/closing-line-reporter.ts';

/** The layers of the tests, each a folder of test/; only the first needs no server. */
const LAYERS = ['unit', 'integration', 'e2e', 'property'];

export default defineConfig({
  test: {
    // Processes, not threads: tests send signals, change process.env and load native drivers.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 60_000,
    retry: 0,
    reporters: ['default', createClosingLineReporter()],
    projects: LAYERS.map((name) => ({
      extends: true as const,
      test: {
        name,
        include: [`test/${name}/**/*.test.ts`],
        ...(name === 'unit' ? {} : { globalSetup: ['test/support/global-setup.ts'] }),
      },
    })),
  },
});
