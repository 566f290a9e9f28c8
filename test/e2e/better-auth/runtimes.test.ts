/** The package as users install it, in separate processes: under Node, under Bun, and under TypeScript. */
import { existsSync } from 'node:fs';
import { copyFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { OUTBOX_FILES } from '../../../src/ddl/usual-names.ts';
import { parsePolicy } from '../../../src/policy/file.ts';
import { startProxy, through } from '../../../tools/network/proxy.ts';
import { run } from '../../../tools/run.ts';
import { createApplication } from '../../support/better-auth/application.ts';
import { recordEvents } from '../../support/better-auth/event-recorder.ts';
import { installPacked, ROOT } from '../../support/better-auth/packed.ts';
import { testDatabase } from '../../support/database.ts';
import { testNats } from '../../support/nats.ts';
import { portOf } from '../../support/port-of.ts';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

const nats = await testNats();
const { url: databaseUrl } = await testDatabase();
const application = createApplication({ databaseUrl, assent: null });
await application.migrate();
const { folder, files } = await installPacked();
await copyFile(path('../../support/better-auth/script.ts'), join(folder, 'script.ts'));

const reportSchema = z.object({ runtime: z.string(), events: z.array(z.record(z.string(), z.string())) });

describe.each([
  ['node', process.execPath],
  ['bun', join(ROOT, 'node_modules/.bin/bun')],
])('the plugin under %s', (runtime, program) => {
  it('the plugin publishes its events, and lets a script end afterwards', async () => {
    if (!existsSync(program)) {
      throw new Error(`${runtime} is not installed: "npm ci" brings it, from the npm package "bun" (devDependencies)`);
    }
    const recorder = await recordEvents(nats.url, nats.prefix, () => {}, onTestFinished);
    const arguments_ = ['script.ts', databaseUrl, nats.url, nats.prefix, nats.stream];
    // A connection that kept it alive would keep it beyond the time-out.
    const { stdout, stderr } = await run(program, arguments_, { cwd: folder, timeout: 15_000 });
    const report = reportSchema.parse(JSON.parse(stdout));
    await recorder.catchUp();
    expect(report.runtime).toBe(runtime);
    expect(recorder.events).toEqual(report.events);
    expect(stderr).toBe('');
  });

  it('the plugin delays the end of a script for a change after NATS was found away, for a bounded time', async () => {
    const proxy = await startProxy(portOf(nats.url));
    onTestFinished(() => proxy.close());
    proxy.setMode('refuse');
    const recorder = await recordEvents(nats.url, nats.prefix, () => {}, onTestFinished);
    await writeFile(
      join(folder, 'late.mjs'),
      `import { createPublisher } from './node_modules/@assent/better-auth/dist/publisher.js';
const [url, prefix, stream] = process.argv.slice(2);
const warn = (line) => {
  console.log(line);
  // Once it waits to try again, with nothing to publish.
  if (/cannot be published/.test(line)) setImmediate(() => publisher.publish([{ name: 'user.deleted', userId: 'late' }]));
};
const publisher = createPublisher({ url, prefix, stream, mode: 'stream', domain: null, bufferSize: 10, warn });
publisher.wake();
`,
    );
    const arguments_ = ['late.mjs', through(nats.url, proxy), nats.prefix, nats.stream];
    const script = run(program, arguments_, { cwd: folder, timeout: 15_000 });
    script.child.stdout?.once('data', () => proxy.setMode('pass'));
    expect((await script).stdout).not.toContain('not published');
    await recorder.catchUp();
    expect(recorder.events).toContainEqual({ name: 'user.deleted', userId: 'late' });
  });

  it('the plugin tries for 10 s to publish the last change of a script, however long NATS was away before', async () => {
    const proxy = await startProxy(portOf(nats.url));
    onTestFinished(() => proxy.close());
    proxy.setMode('refuse');
    await writeFile(
      join(folder, 'patient.mjs'),
      `import { createPublisher } from './node_modules/@assent/better-auth/dist/publisher.js';
const [url, prefix, stream] = process.argv.slice(2);
const real = performance.now.bind(performance);
// A minute passes between the fault and the change; then each second has 20 of them.
let ahead = 0;
performance.now = () => 20 * real() + ahead;
let changedAt;
const warn = (line) => {
  if (!/cannot be published/.test(line)) return;
  ahead = 60_000;
  changedAt = performance.now();
  setImmediate(() => publisher.publish([{ name: 'user.deleted', userId: 'late' }]));
};
const publisher = createPublisher({ url, prefix, stream, mode: 'stream', domain: null, bufferSize: 10, warn });
publisher.wake();
process.on('exit', () => console.log(performance.now() - changedAt));
`,
    );
    const arguments_ = ['patient.mjs', through(nats.url, proxy), nats.prefix, nats.stream];
    const { stdout } = await run(program, arguments_, { cwd: folder, timeout: 15_000 });
    expect(Number(stdout)).toBeGreaterThanOrEqual(10_000);
  });

  it('the plugin logs at process.exit() how many events are lost, and a process that awaits them before loses none', async () => {
    const proxy = await startProxy(portOf(nats.url));
    onTestFinished(() => proxy.close());
    await writeFile(
      join(folder, 'exit.mjs'),
      `import { publisherOf } from './node_modules/@assent/better-auth/dist/shared.js';
const [url, prefix, stream, wait] = process.argv.slice(2);
const options = { url, prefix, stream, mode: 'stream', domain: null, bufferSize: 10 };
const publisher = publisherOf(options, (line) => console.log(line));
publisher.publish([{ name: 'user.deleted', userId: wait }]);
if (wait === 'awaited') await publisher.settled(10_000);
process.exit(0);
`,
    );
    const recorder = await recordEvents(nats.url, nats.prefix, () => {}, onTestFinished);
    const exit = (wait: string) =>
      run(program, ['exit.mjs', through(nats.url, proxy), nats.prefix, nats.stream, wait], { cwd: folder });
    expect((await exit('not awaited')).stdout).toBe('assent: the process ends with 1 events that were not published\n');
    expect((await exit('awaited')).stdout).toBe('');
    await recorder.catchUp();
    expect(recorder.events).toEqual([{ name: 'user.deleted', userId: 'awaited' }]);
  });

  it('assent-policy exports the roles of an auth.ts with the plugin in its list', async () => {
    await writeFile(
      join(folder, 'auth.ts'),
      `import { assent } from '@assent/better-auth';
import { betterAuth } from 'better-auth';
import { organization } from 'better-auth/plugins';
import pg from 'pg';

export const auth = betterAuth({
  database: new pg.Pool({ connectionString: process.env['DATABASE_URL'] }),
  plugins: [organization(), assent({ nats: process.env['NATS_URL'] })],
});
`,
    );
    const cli = join(folder, 'node_modules/@assent/better-auth/bin/assent-policy.js');
    const { stdout } = await run(program, [cli, 'export', 'auth.ts'], { cwd: folder, timeout: 20_000 });
    expect([...parsePolicy(stdout, 'policy.yaml').organizationRoles.keys()]).toEqual(['owner', 'admin', 'member']);
  });
});

it('the types of the plugin pass a strict compiler', async () => {
  // Not the types of Better Auth's own dependencies, which take long and need packages that are not installed here.
  const options = {
    strict: true,
    noEmit: true,
    module: 'nodenext',
    target: 'es2024',
    types: ['node'],
    skipLibCheck: true,
  };
  const config = { compilerOptions: { ...options, exactOptionalPropertyTypes: true }, files: ['auth.ts'] };
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config));
  await run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', folder], { cwd: folder });
});

it('the package of the plugin has all of its files, and no others', async () => {
  const sources = (await readdir(join(ROOT, 'packages/better-auth/src'), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name).split('/src/').at(-1)?.replace(/\.ts$/, '') ?? '');
  const sql = [...OUTBOX_FILES.keys()].map((name) => `sql/${name}`);
  expect(files).toEqual(
    [
      ...['LICENSE', 'README.md', 'bin/assent-policy.js', 'package.json'],
      ...sources.map((name) => `dist/${name}.js`),
      // The workspace packages that it is built with, and the types that an application sees.
      ...files.filter((name) => /^dist\/(?:event-contract|policy-format)\/src\/[\w-]+\.js$/.test(name)),
      ...['dist/index.d.ts', 'dist/plugin.d.ts'],
      ...sql,
    ].sort(),
  );
  for (const name of ['LICENSE', 'package.json']) expect(files).toContain(name);
  const own = await readFile(join(ROOT, 'packages/better-auth/LICENSE'), 'utf8');
  expect(own).toBe(await readFile(join(ROOT, 'LICENSE'), 'utf8'));
});

it('the package of the plugin matches its package.json', async () => {
  const schema = z.object({
    exports: z.object({ '.': z.object({ types: z.string(), default: z.string() }) }).loose(),
    bin: z.record(z.string(), z.string()),
    dependencies: z.record(z.string(), z.string()),
    peerDependencies: z.record(z.string(), z.string()),
  });
  const text = await readFile(join(folder, 'node_modules/@assent/better-auth/package.json'), 'utf8');
  const manifest = schema.parse(JSON.parse(text));
  const named = [...Object.values(manifest.exports['.']), ...Object.values(manifest.bin)];
  expect(named.map((name) => name.replace(/^\.\//, '')).filter((name) => !files.includes(name))).toEqual([]);
  expect(Object.keys(manifest.dependencies)).toEqual(['nats', 'yaml']);
  expect(Object.keys(manifest.peerDependencies)).toEqual(['better-auth']);
});
