/**
 * The core of the plugin's and the exporter's tests on another version of Better Auth: the oldest that `peerDependencies`
 * names, or the one whose folder `TEST_BETTER_AUTH` names (`npm run versions`). The other tests run on the newest.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { getMigrations } from 'better-auth/db/migration';
import pg from 'pg';
import { describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { parsePolicy } from '../../../src/policy/file.ts';
import { run } from '../../../tools/run.ts';
import { acknowledged } from '../../support/better-auth/acknowledged.ts';
import { recordEvents } from '../../support/better-auth/event-recorder.ts';
import { installPacked, ROOT } from '../../support/better-auth/packed.ts';
import { testDatabase } from '../../support/database.ts';
import { testNats } from '../../support/nats.ts';

const betterAuth = process.env['TEST_BETTER_AUTH'] ?? join(ROOT, 'node_modules/better-auth-oldest');
const { folder } = await installPacked(betterAuth);
const manifest = z.object({ version: z.string() });
const { version } = manifest.parse(JSON.parse(await readFile(join(betterAuth, 'package.json'), 'utf8')));

// Not a mock: Node loads the modules of the other version, from the folder that has it.
const other = vi.hoisted(() => ({ load: (_name: string): Promise<object> => Promise.reject(new Error('not yet')) }));
vi.mock('better-auth', () => other.load('better-auth'));
vi.mock('better-auth/api', () => other.load('better-auth/api'));
vi.mock('better-auth/plugins', () => other.load('better-auth/plugins'));
vi.mock('better-auth/plugins/access', () => other.load('better-auth/plugins/access'));
vi.mock('better-auth/plugins/organization/access', () => other.load('better-auth/plugins/organization/access'));
const loader = join(folder, 'node_modules/loader/index.mjs');
await mkdir(join(folder, 'node_modules/loader'));
await writeFile(loader, 'export const load = (name) => import(name);\n');
other.load = (await import(loader)).load;

// After the other version is known.
const { createApplication } = await import('../../support/better-auth/application.ts');
const { scenarios, silent } = await import('../../support/better-auth/scenarios.ts');

await writeFile(
  join(folder, 'auth.ts'),
  `import { assent } from '@assent/better-auth';
import { betterAuth } from 'better-auth';
import { admin, organization } from 'better-auth/plugins';
import { createAccessControl } from 'better-auth/plugins/access';
import { defaultStatements, ownerAc } from 'better-auth/plugins/organization/access';
import pg from 'pg';

const ac = createAccessControl({ ...defaultStatements, leave: ['request', 'approve'] });
const roles = { owner: ac.newRole({ ...ownerAc.statements, leave: ['approve'] }), clerk: ac.newRole({ leave: ['request'] }) };
export const auth = betterAuth({
  database: new pg.Pool({ connectionString: process.env['DATABASE_URL'] }),
  plugins: [admin(), organization({ ac, roles }), assent({ nats: process.env['NATS_URL'] })],
});
`,
);

const { url, prefix, stream } = await testNats();
const { url: databaseUrl } = await testDatabase();
// 1.3 would make the table of dynamic roles before that of organizations, to which it refers.
const pool = new pg.Pool({ connectionString: databaseUrl });
const { organization } = (await other.load('better-auth/plugins')) as typeof import('better-auth/plugins');
await (await getMigrations({ database: pool, plugins: [organization()] })).runMigrations();
await pool.end();
await createApplication({ databaseUrl, assent: null }).migrate();
const background: Promise<unknown>[] = [];
const advanced = { backgroundTasks: { handler: (promise: Promise<unknown>) => void background.push(promise) } };
const options = { nats: url, prefix, stream, await: true, awaitMs: 10_000 };
const application = createApplication({ databaseUrl, assent: options, more: { advanced } });
const recorder = await recordEvents(url, prefix);

describe(`Better Auth ${version}`, () => {
  it('the installed Better Auth is the version of this test', async () => {
    const { betterAuth: create } = await import('better-auth');
    const { betterAuth: loaded } = (await other.load('better-auth')) as { betterAuth: typeof create };
    expect(create).toBe(loaded);
    const range: string = JSON.parse(await readFile(join(ROOT, 'packages/better-auth/package.json'), 'utf8'))
      .peerDependencies['better-auth'];
    if (process.env['TEST_BETTER_AUTH'] === undefined) expect(range.startsWith(`>=${version} `)).toBe(true);
  });

  it.each(Object.entries(scenarios))(
    'the change publishes its events, acknowledged when the call returns: %s',
    async (_, prepare) => {
      const { act, expected } = await prepare(application);
      await recorder.catchUp();
      recorder.events.length = 0;
      background.length = 0;
      await act();
      expect(application.plugin?.pending()).toBe(0);
      await recorder.catchUp();
      // What one transaction publishes as one event is two where a version writes without.
      expect(recorder.events).toEqual(expect.arrayContaining([...expected()]));
      expect(background.length).toBeGreaterThan(0);
      expect(await Promise.all(background)).not.toContain(false);
    },
  );

  it.each(Object.entries(silent))('the call publishes no event: %s', async (_, prepare) => {
    const act = await prepare(application);
    await recorder.catchUp();
    recorder.events.length = 0;
    await act();
    await acknowledged(application.plugin);
    await recorder.catchUp();
    expect(recorder.events).toEqual([]);
  });

  it('assent-policy exports the roles of an auth.ts of this version', async () => {
    const cli = join(folder, 'node_modules/@assent/better-auth/bin/assent-policy.js');
    const { stdout } = await run(process.execPath, [cli, 'export', 'auth.ts'], { cwd: folder, timeout: 20_000 });
    const policy = parsePolicy(stdout, 'policy.yaml');
    expect([...policy.organizationRoles.keys()]).toEqual(['owner', 'clerk']);
    expect([...policy.platformRoles.keys()]).toContain('admin');
    expect(stdout).toContain('approve');
  });

  it('the types of the plugin with this version pass a strict compiler', async () => {
    const options = { strict: true, noEmit: true, module: 'nodenext', target: 'es2024', types: ['node'] };
    const config = { compilerOptions: { ...options, skipLibCheck: true }, files: ['auth.ts'] };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config));
    await run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', folder], { cwd: folder });
  });

  it('the plugin with this version logs no warning', () => {
    expect(application.warnings.filter((line) => line.includes('assent'))).toEqual([]);
  });
});
