#!/usr/bin/env node
// A file that is there before anything is built, so that npm links it in a fresh clone; there it runs the source.
import { existsSync } from 'node:fs';

const source = new URL('../src/cli.ts', import.meta.url);
await import(existsSync(source) ? source.href : new URL('../dist/cli.js', import.meta.url).href);
