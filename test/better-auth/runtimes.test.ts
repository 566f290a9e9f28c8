/** The package as others install it, built to JavaScript, in a process of its own: under Node and under Bun. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { testDatabase } from '../support/database.ts';
import { testNats } from '../support/nats.ts';
import { createApplication } from './support/application.ts';
import { listen } from './support/ear.ts';

const run = promisify(execFile);
const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const root = path('../..');
const packageFolder = path('../../packages/better-auth');

const nats = await testNats();
const { url: databaseUrl } = await testDatabase();
const application = createApplication({ databaseUrl, assent: null });
await application.migrate();

beforeAll(async () => {
  await rm(`${packageFolder}/dist`, { recursive: true, force: true });
  await run(process.execPath, [path('../../node_modules/typescript/bin/tsc'), '-p', packageFolder], { cwd: root });
});

const reportSchema = z.object({ runtime: z.string(), events: z.array(z.record(z.string(), z.string())) });

it.each([
  ['node', process.execPath],
  ['bun', path('../../node_modules/.bin/bun')],
])('publishes under %s, and lets a script end when it is through', async (runtime, program) => {
  if (!existsSync(program)) {
    throw new Error(`${runtime} is not installed: "npm ci" brings it, from the npm package "bun" (devDependencies)`);
  }
  const ear = await listen(nats.url, nats.prefix, () => {}, onTestFinished);
  const built = new URL('../../packages/better-auth/dist/index.js', import.meta.url).href;
  const arguments_ = [path('./support/script.ts'), built, databaseUrl, nats.url, nats.prefix, nats.stream];
  const begin = performance.now();
  const { stdout, stderr } = await run(program, arguments_, { cwd: root, timeout: 20_000 });
  const report = reportSchema.parse(JSON.parse(stdout));
  await ear.catchUp();
  expect(report.runtime).toBe(runtime);
  expect(ear.events).toEqual(report.events);
  expect(stderr).toBe('');
  // The connection to NATS kept it alive for no longer than its events took.
  expect(performance.now() - begin).toBeLessThan(8_000);
});

it('is what its package.json says', async () => {
  const schema = z.object({
    exports: z.object({ '.': z.object({ types: z.string(), default: z.string() }) }).loose(),
    bin: z.record(z.string(), z.string()).default({}),
    files: z.array(z.string()),
    dependencies: z.record(z.string(), z.string()),
    peerDependencies: z.record(z.string(), z.string()),
  });
  const manifest = schema.parse(JSON.parse(await readFile(`${packageFolder}/package.json`, 'utf8')));
  const named = [...Object.values(manifest.exports['.']), ...Object.values(manifest.bin), ...manifest.files];
  expect(named.filter((file) => !existsSync(`${packageFolder}/${file}`))).toEqual([]);
  expect(Object.keys(manifest.dependencies)).toEqual(['nats']);
  expect(Object.keys(manifest.peerDependencies)).toEqual(['better-auth']);
});
