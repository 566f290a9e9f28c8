#!/usr/bin/env node
// A file that is there before anything is built, so that npm links it in a fresh clone; there it runs the source.
import { existsSync } from 'node:fs';

const source = new URL('../src/cli.ts', import.meta.url);
if (!existsSync(source)) await import(new URL('../dist/cli.js', import.meta.url).href);
else if (process.features.typescript) await import(source.href);
else {
  process.stderr.write(
    `assent: in a clone Node ${process.versions.node} cannot run this; "npx assent" takes the clone's Node\n`,
  );
  process.exitCode = 2;
}
