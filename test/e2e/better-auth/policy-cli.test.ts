/** `assent-policy` as a command, on the auth.ts files that there are. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parsePolicy } from '../../../src/policy/file.ts';
import { BUN, createFolder } from '../../support/better-auth/cli.ts';

const PACKAGE = new URL('../../../packages/better-auth/', import.meta.url);
const folder = await createFolder();
const { run, write } = folder;

const INSTANCE = `
import { betterAuth } from 'better-auth';
import { admin, organization } from 'better-auth/plugins';
import { createAccessControl } from 'better-auth/plugins/access';

const access = createAccessControl({ data: ['read', 'write'] });
type Role = ReturnType<typeof access.newRole>;
const member: Role = access.newRole({ data: ['read'] });
const roles = { member, editor: access.newRole({ data: ['read', 'write'] }) };
export const auth = betterAuth({
  secret: process.env['TEST_SECRET_OF_DOTENV'],
  baseURL: 'http://localhost:3000',
  plugins: [organization({ ac: access, roles }), admin({ adminUserIds: ['root'] })],
});
`;

await write({
  '.env': 'TEST_SECRET_OF_DOTENV=a-secret-that-only-the-file-has-and-long-enough\n',
  'auth.ts': INSTANCE,
  'default.ts': `import { auth } from './auth';\nexport default auth;\n`,
  'busy.ts': `${INSTANCE}
import { writeSync } from 'node:fs';
import { createServer } from 'node:net';
console.log('to stdout by console');
process.stdout.write('to stdout by stream\\n');
writeSync(1, 'to stdout by number\\n');
setInterval(() => {}, 1_000);
createServer().listen(0, '127.0.0.1');
void Promise.reject(new Error('a database that is not there'));
await new Promise(setImmediate);
if (process.env['TEST_SECRET_OF_DOTENV'] === undefined) throw new Error('.env was not read');
`,
  'throws.ts': `throw new Error('DATABASE_URL is missing');\n`,
  'exits.ts': 'process.exit(0);\n',
  'waits.ts': 'await new Promise(() => {});\n',
  'function.ts': 'export const createAuth = () => ({});\n',
  'alone.ts': `import { betterAuth } from 'better-auth';\nexport const auth = betterAuth({ baseURL: 'http://localhost' });\n`,
  'own-role.ts': INSTANCE.replace(
    'member, editor',
    'member, odd: { authorize: () => ({ success: true }) } as never, editor',
  ),
  'alias.ts': `import { auth } from '@/auth';\nexport { auth };\n`,
  'decorator.ts': `${INSTANCE}\n@((value: never) => value)\nexport class Kind {}\n`,
  'syntax.ts': 'export const = 1;\n',
  'drift.yaml': 'version: 1\norganizationRoles: {member: {grants: {data: [read, write]}}}\nadminUserIds: [root]\n',
  'broken.yaml': 'version: 1\norganizationRoles: {member: \n',
});

describe.each([
  ['Node', process.execPath],
  ['Bun', BUN],
])('assent-policy under %s', (runtime, program) => {
  it('assent-policy exports a policy that Assent accepts, and finds no difference from it', async () => {
    if (!existsSync(program)) throw new Error(`${runtime} is not installed: "npm ci" brings it`);
    const { code, stdout, stderr } = await run(['export', 'auth.ts'], program);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const policy = parsePolicy(stdout, 'policy.yaml');
    expect([...policy.organizationRoles.keys()]).toEqual(['member', 'editor']);
    expect([...policy.platformRoles.keys()]).toEqual(['admin', 'user']);
    expect([...policy.adminUserIds]).toEqual(['root']);
    await write({ 'policy.yaml': stdout });
    expect(await run(['diff', 'policy.yaml', 'auth.ts'], program)).toEqual({ code: 0, stdout: '', stderr: '' });
    // By default, and by an import without an ending.
    expect(await run(['diff', 'policy.yaml', 'default.ts'], program)).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  it('assent-policy prints only the policy and ends, although the file logs and leaves handles open', async () => {
    const { code, stdout, stderr } = await run(['export', 'busy.ts'], program);
    expect(code).toBe(0);
    expect(parsePolicy(stdout, 'policy.yaml').organizationRoles.size).toBe(2);
    expect(stdout).not.toContain('to stdout');
    expect(stderr).toContain('to stdout by console');
    expect(stderr).toContain('to stdout by stream');
    expect(stderr).toContain('to stdout by number');
    expect(stderr).toContain('busy.ts: meanwhile: a database that is not there');
  });

  it('assent-policy shows a difference, and exits with 1', async () => {
    const { code, stdout, stderr } = await run(['diff', 'drift.yaml', 'auth.ts'], program);
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    expect(stdout).toMatch(
      /^--- drift.yaml\n\+\+\+ auth.ts\n- organization role member: data:write\n\+ organization role /,
    );
  });
});

it.each([
  [
    'throws.ts',
    /^assent-policy: throws\.ts: failed while it was loaded: Error: DATABASE_URL is missing\n.*throws\.ts:1:/,
  ],
  ['exits.ts', /exits\.ts: ended the process while it was loaded \(exit code 0\)\n$/],
  ['waits.ts', /waits\.ts: ended the process while it was loaded \(exit code 13\)\n$/],
  ['function.ts', /function\.ts: exports no instance of Better Auth; its exports are createAuth \(function\)/],
  [
    'alone.ts',
    /alone\.ts: has neither the organization plugin nor the admin plugin.*: add organization\(\) or admin\(\)/,
  ],
  ['own-role.ts', /own-role\.ts: the organization role "odd" has no statements/],
  ['alias.ts', /Cannot find package '@\/auth'.*\n(?:.*\n)*.*no path alias of the tsconfig\.json files/],
  ['decorator.ts', /decorators.*Bun does/],
  ['syntax.ts', /syntax\.ts: failed while it was loaded: SyntaxError/],
  ['missing.ts', /^assent-policy: missing\.ts: no such file\n$/],
  ['.', /^assent-policy: \.: no such file\n$/],
])('assent-policy exits with 2 and a message, and prints nothing to stdout: %s', async (file, message) => {
  const { code, stdout, stderr } = await run(['export', file]);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(message);
});

it.each([
  [['diff', 'missing.yaml', 'auth.ts'], 'assent-policy: missing.yaml: no such file\n'],
  [
    ['diff', 'broken.yaml', 'auth.ts'],
    'assent-policy: broken.yaml:2:29: Flow map in block collection must be sufficiently indented and end with a }\n',
  ],
  [['diff', 'drift.yaml', 'throws.ts'], 'throws.ts: failed while it was loaded'],
  [['export'], 'usage: assent-policy export'],
  [['export', 'auth.ts', 'other.ts'], 'usage: assent-policy export'],
  [[], 'usage: assent-policy export'],
])('assent-policy exits with 2 for the arguments %j', async (args, message) => {
  const { code, stdout, stderr } = await run(args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(message);
});

it('assent-policy --help is not an error', async () => {
  expect(await run(['--help'])).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('usage:') });
});

it('assent-policy is a command in a fresh clone, too, before any build', () => {
  const { bin } = JSON.parse(readFileSync(new URL('package.json', PACKAGE), 'utf8'));
  // npm makes no link to a file that is not there yet.
  // For its owner: the umask of the clone decides whether other users may run it.
  expect(statSync(new URL(bin['assent-policy'], PACKAGE)).mode & 0o100).toBe(0o100);
  expect(bin['assent-policy']).not.toContain('dist');
});

it('assent-policy leaves no file behind', async () => {
  expect(await folder.leftOver()).toEqual([]);
});
