/** `assent` as a command against the service: from the clone, and as a package. */
import { spawn, spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type ServingAssent, startAssent } from '../../tools/assent/assent-process.ts';
import { freePort } from '../../tools/local-services/ports.ts';
import { createAuthority } from '../../tools/network/certificates.ts';
import { run as runProgram } from '../../tools/run.ts';
import { sha256 } from '../support/callers.ts';
import { testDatabase } from '../support/database.ts';
import { createSeed } from '../support/seed.ts';
import { settingsFor } from '../support/settings.ts';
import { applicationTemplate } from '../support/template.ts';
import { SECRET, signHmac } from '../support/token/signing.ts';

const ROOT = join(import.meta.dirname, '../..');
const BIN = join(ROOT, 'packages/cli/bin/assent.js');
const CALLER_TOKEN = 'a-caller-token-of-the-tests-that-is-long-enough';

const database = await testDatabase(await applicationTemplate('plural'));
const pool = new pg.Pool({ connectionString: database.url });
afterAll(() => pool.end());
const seed = createSeed(pool);
const [userId, strangerId, organizationId] = [await seed.user(), await seed.user(), await seed.organization()];
await seed.member(userId, organizationId, 'owner');
const token = tokenOf({ organizationId });

const folder = await mkdtemp(join(tmpdir(), 'assent-cli-'));
afterAll(() => rm(folder, { recursive: true, force: true }));
const file = async (name: string, content: string): Promise<string> => {
  await writeFile(join(folder, name), content);
  return join(folder, name);
};
const tokenFile = await file('token', `${token}\n`);

let assent: ServingAssent;
beforeAll(async () => {
  const callers = await file('callers', `shell: ${sha256(CALLER_TOKEN)}\n`);
  assent = await startAssent({
    ...settingsFor(database.url),
    BETTER_AUTH_SECRET: SECRET,
    ASSENT_CALLER_TOKENS: callers,
  });
});
afterAll(() => assent.stop());

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Circumstances {
  readonly input?: string;
  readonly variables?: Readonly<Record<string, string | undefined>>;
  readonly bin?: string;
}

async function cli(args: readonly string[], { input, variables = {}, bin = BIN }: Circumstances = {}): Promise<Ended> {
  const child = spawn(process.execPath, [bin, ...args], {
    env: { ...process.env, ASSENT_ADDRESS: assent.grpcAddress, ASSENT_TOKEN: CALLER_TOKEN, ...variables },
    stdio: 'pipe',
    timeout: 20_000,
  });
  child.stdin.on('error', () => {});
  child.stdin.end(input ?? '');
  const code = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { stdout, stderr, code: await code };
}

const OWNER = ['--user', userId, '--organization', organizationId];

describe('check', () => {
  it('assent check prints allowed and exits with 0, or denied with the reason and exits with 1', async () => {
    expect(await cli(['check', 'organization:delete', ...OWNER])).toEqual({
      code: 0,
      stdout: 'allowed ROLE_GRANTS\n',
      stderr: '',
    });
    expect(await cli(['check', 'organization:delete', '--user', userId, '--platform'])).toEqual({
      code: 1,
      stdout: expect.stringMatching(/^denied [A-Z_]+\n$/),
      stderr: '',
    });
  });

  it('assent check --explain says who, the roles and from where, the grant, the tier and the age', async () => {
    const { code, stdout } = await cli([
      'check',
      'organization:delete',
      '--token-file',
      tokenFile,
      '--explain',
      '--fresh',
    ]);
    expect(code).toBe(0);
    expect(stdout.split('\n')).toEqual([
      'allowed ROLE_GRANTS',
      `  who      user ${userId} (ada@example.com), by token`,
      `  where    organization ${organizationId}, active in the token`,
      '  roles    owner, of the user as a member',
      '  granted  role owner of the organization grants organization:delete (ROLE_GRANTS)',
      expect.stringMatching(/^ {2}facts {4}from PostgreSQL, read \d s ago$/),
      '',
    ]);
    const denied = await cli([
      'check',
      'leave:aprove',
      '--user',
      strangerId,
      '--organization',
      organizationId,
      '--explain',
    ]);
    expect(denied.stdout.split('\n').slice(1, 5)).toEqual([
      `  who     user ${strangerId}, by id`,
      `  where   organization ${organizationId}`,
      '  roles   none',
      '  denied  the user is not a member of the organization (NOT_A_MEMBER)',
    ]);
  });

  it('assent check --json prints one line with the whole decision, and an error likewise', async () => {
    const { code, stdout, stderr } = await cli(['check', 'organization:delete', '--token-file', '-', '--json'], {
      input: token,
    });
    expect({ code, stderr, lines: stdout.split('\n').length }).toEqual({ code: 0, stderr: '', lines: 2 });
    expect(JSON.parse(stdout)).toMatchObject({
      allowed: true,
      reason: 'ROLE_GRANTS',
      roles: ['owner'],
      grantedBy: 'owner',
      principal: { userId },
    });
    const failed = await cli(['check', 'organization:delete', ...OWNER, '--json'], {
      variables: { ASSENT_TOKEN: 'another' },
    });
    expect(failed.code).toBe(2);
    expect(JSON.parse(failed.stdout)).toMatchObject({
      error: { code: 'UNAUTHENTICATED', reason: 'CALLER_UNAUTHENTICATED' },
    });
    expect(JSON.parse((await cli(['check', 'x', '--json'])).stdout)).toMatchObject({ error: { code: 'USAGE' } });
  });

  it('an error of a check is never the exit code of a decision', async () => {
    const away = await cli(['check', 'organization:delete', ...OWNER, '--address', `127.0.0.1:${await freePort()}`]);
    expect(away).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/^error 127\.0\.0\.1:\d+ cannot be reached: connect ECONNREFUSED/),
    });
    const expired = await cli(['check', 'organization:delete', '--token-file', '-'], {
      input: tokenOf({ exp: 1_000 }),
    });
    expect(expired).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('(TOKEN_EXPIRED)') });
  });
});

it('assent verify reads a token of stdin or a file, prints its user, and exits with 1 for a token that does not verify', async () => {
  for (const [args, input] of [
    [[], token],
    [['--token-file', tokenFile], ''],
  ] as const) {
    const { code, stdout } = await cli(['verify', ...args], { input });
    expect({ code, first: stdout.split('\n')[0] }).toEqual({ code: 0, first: `verified ${userId}` });
    expect(stdout).toContain('ada@example.com');
  }
  const refused = await cli(['verify'], { input: `${token}x` });
  expect(refused).toMatchObject({ code: 1, stderr: '', stdout: expect.stringMatching(/^refused .*\(TOKEN_/) });
  const noCaller = await cli(['verify'], { input: token, variables: { ASSENT_TOKEN: undefined } });
  expect(noCaller).toMatchObject({ code: 2, stderr: expect.stringContaining('(CALLER_UNAUTHENTICATED)') });
});

it('assent reads a token that comes to stdin in pieces, and no more of a file than a token can have', async () => {
  const child = spawn(process.execPath, [BIN, 'verify'], {
    env: { ...process.env, ASSENT_ADDRESS: assent.grpcAddress, ASSENT_TOKEN: CALLER_TOKEN },
    stdio: 'pipe',
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  for (const piece of [token.slice(0, 10), token.slice(10)]) {
    // Longer than the program takes to read.
    await delay(500);
    child.stdin.write(piece);
  }
  child.stdin.end();
  expect(await text(child.stdout)).toContain(`verified ${userId}`);
  const endless = await cli(['verify', '--token-file', '/dev/zero']);
  expect(endless).toMatchObject({ code: 2, stderr: 'error --token-file /dev/zero: too long for a token\n' });
});

it('assent permissions lists a permission on each line, and says why there are none', async () => {
  const { code, stdout } = await cli(['permissions', ...OWNER]);
  expect(code).toBe(0);
  expect(stdout.split('\n')).toContain('organization:delete');
  expect(await cli(['permissions', '--user', strangerId, '--organization', organizationId])).toEqual({
    code: 0,
    stdout: 'none NOT_A_MEMBER\n',
    stderr: '',
  });
});

it('assent ping says that the service serves and takes the token of the caller, and exits with 2 when it does not', async () => {
  const { code, stdout } = await cli(['ping']);
  expect({ code, stdout }).toEqual({
    code: 0,
    stdout: expect.stringMatching(/^SERVING 127\.0\.0\.1:\d+: connected in [\d.]+ ms/),
  });
  const wrong = await cli(['ping', '--caller-token-file', await file('wrong', 'wrong')]);
  expect(wrong).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('(CALLER_UNAUTHENTICATED)') });
});

it('assent ends at its time-out when a service that is stopped does not answer', async () => {
  const stopped = await startAssent(settingsFor(database.url));
  onTestFinished(async () => void (await stopped.stop()));
  stopped.kill('SIGSTOP');
  const { code, stderr } = await cli(['check', 'a:b', ...OWNER, '--timeout', '300'], {
    variables: { ASSENT_ADDRESS: stopped.grpcAddress },
  });
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: `error ${stopped.grpcAddress} did not answer within 300 ms (--timeout)\n`,
  });
});

it('assent speaks TLS to a server whose authority --ca names, and to no other', async () => {
  const authority = createAuthority('authority');
  const { cert, key } = authority.issue('server');
  const secure = await startAssent({
    ...settingsFor(database.url),
    ASSENT_TLS_CERT: await file('cert.pem', cert),
    ASSENT_TLS_KEY: await file('key.pem', key),
  });
  onTestFinished(async () => void (await secure.stop()));
  const variables = { ASSENT_ADDRESS: secure.grpcAddress };
  expect(await cli(['ping', '--ca', await file('ca.pem', authority.cert)], { variables })).toMatchObject({ code: 0 });
  expect(
    await cli(['ping', '--ca', await file('other.pem', createAuthority('another').cert)], { variables }),
  ).toMatchObject({
    code: 2,
  });
  expect(await cli(['ping', '--tls'], { variables })).toMatchObject({ code: 2 });
});

it('assent policy checks a file and runs cases, and exits with 1 for problems', async () => {
  const policy = join(ROOT, 'demo/policy.yaml');
  expect(await cli(['policy', 'check', policy])).toMatchObject({ code: 0, stdout: expect.stringContaining(': ok: ') });
  expect(await cli(['policy', 'test', join(ROOT, 'test/cases/decision.yaml')])).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/\d+ passed, 0 failed\n$/),
  });
  const broken = await cli(['policy', 'check', await file('broken.yaml', 'version: 3\n'), policy, '--json']);
  expect(broken.code).toBe(1);
  expect(JSON.parse(broken.stdout).files).toMatchObject([{ problems: 1 }, { problems: 0 }]);
});

it.each([
  ['--user ID or --token-file FILE is missing', ['check', 'leave:approve']],
  ['PERMISSION is missing', ['check', '--user', 'u', '--platform']],
  ['PERMISSION "leave" is not resource:action', ['check', 'leave', '--user', 'u', '--platform']],
  ['--user is empty', ['check', 'a:b', '--user', '']],
  ['--organization is empty', ['check', 'a:b', '--user', 'u', '--organization', '']],
  ['--user needs --organization ID or --platform', ['check', 'a:b', '--user', 'u']],
  [
    '--organization and --platform exclude each other',
    ['check', 'a:b', '--user', 'u', '--platform', '--organization', 'o'],
  ],
  ['--user is there twice', ['check', 'a:b', '--user', 'u', '--user', 'v', '--platform']],
  ['--user and --token-file exclude each other', ['check', 'a:b', '--user', 'u', '--token-file', 'x', '--platform']],
  ["Unknown option '--token'", ['check', 'a:b', '--token', token]],
  ['--token-file wants the name of a file', ['check', 'a:b', '--token-file', token]],
  ['--token-file /nonexistent: no such file', ['check', 'a:b', '--token-file', '/nonexistent']],
  ['--token-file - (stdin): there is no token in it', ['check', 'a:b', '--token-file', '-']],
  ['cannot both be stdin', ['check', 'a:b', '--token-file', '-', '--caller-token-file', '-']],
  ['check takes no such argument', ['check', 'a:b', 'c:d', '--user', 'u', '--platform']],
  ['verify takes no such argument', ['verify', token]],
  [
    '--address "http://127.0.0.1:50051": a gRPC address has no http://',
    ['ping', '--address', 'http://127.0.0.1:50051'],
  ],
  ['--address "localhost": an address is HOST:PORT', ['ping', '--address', 'localhost']],
  ['--address "": an address is HOST:PORT', ['ping', '--address', '']],
  ['--timeout 1e9: a whole number of milliseconds', ['ping', '--timeout', '1e9']],
  ['--ca /nonexistent: cannot be read (ENOENT)', ['ping', '--ca', '/nonexistent']],
  ['policy: check or test is missing', ['policy']],
  ['policy check: FILE is missing', ['policy', 'check']],
  ['there is no command "chekc"', ['chekc']],
])('assent exits with 2, names the argument and repeats no token: %s', async (message, args) => {
  const { code, stdout, stderr } = await cli(args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(message);
  expect(stderr).not.toContain(token);
});

it('assent without a command exits with 2 and its usage; with --help, each command has one', async () => {
  expect(await cli([])).toMatchObject({ code: 2, stdout: expect.stringContaining('usage: assent COMMAND') });
  for (const command of ['check', 'verify', 'permissions', 'policy', 'ping']) {
    const help = await cli([command, '--help']);
    expect(help).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining(`usage: assent ${command}`) });
  }
});

it('a name with control characters reaches a terminal as text', async () => {
  const { stdout } = await cli(['check', 'a:b', '--user', 'x\u001B[2J', '--organization', 'o\u202E', '--explain']);
  expect(stdout).toContain('user x\\u{1b}[2J, by id');
  for (const hidden of ['\u001B', '\u202E']) expect(stdout).not.toContain(hidden);
});

const hasScript = spawnSync('script', ['--version']).status === 0;
if (!hasScript) process.stderr.write('not run: the colours of assent on a terminal, since "script" is not there\n');

describe.runIf(hasScript)('on a terminal', () => {
  it.each([
    ['coloured', {}, '\u001B[32mallowed\u001B[39m ROLE_GRANTS'],
    ['without colours where NO_COLOR is set', { NO_COLOR: '1' }, 'allowed ROLE_GRANTS'],
    ['without colours where the terminal knows none', { TERM: 'dumb' }, 'allowed ROLE_GRANTS'],
  ])('on a terminal the answer of assent is %s', async (_title, variables, expected) => {
    const line = [process.execPath, BIN, 'check', 'organization:delete', ...OWNER].join(' ');
    // Node takes a terminal of a CI for one without colours.
    const { NO_COLOR: _no, FORCE_COLOR: _force, CI: _ci, ...rest } = process.env;
    const env = {
      ...rest,
      TERM: 'xterm-256color',
      ASSENT_ADDRESS: assent.grpcAddress,
      ASSENT_TOKEN: CALLER_TOKEN,
      ...variables,
    };
    const { stdout } = await runProgram('script', ['-qec', line, '/dev/null'], { env, timeout: 20_000 });
    expect(stdout.trim()).toBe(expected);
  });
});

it('npx assent works in the clone', async () => {
  const { stdout } = await runProgram('npx', ['--no-install', 'assent', 'policy', 'check', 'demo/policy.yaml'], {
    cwd: ROOT,
  });
  expect(stdout).toMatch(/^✓ demo\/policy\.yaml: ok: /);
});

it('the packed command asks the service, with nothing but its dependencies beside it', {
  timeout: 60_000,
}, async () => {
  const packed = join(folder, 'node_modules/@assent/cli');
  await mkdir(join(packed, 'bin'), { recursive: true });
  for (const name of ['package.json', 'bin/assent.js']) await cp(join(ROOT, 'packages/cli', name), join(packed, name));
  await runProgram(process.execPath, [join(ROOT, 'scripts/build-package.ts'), join(packed, 'dist')], {
    cwd: join(ROOT, 'packages/cli'),
  });
  for (const name of ['@bufbuild/protobuf', '@grpc/grpc-js', '@grpc/proto-loader', 'yaml', 'zod']) {
    const link = join(folder, 'node_modules', name);
    await mkdir(join(link, '..'), { recursive: true });
    await symlink(join(ROOT, 'node_modules', name), link);
  }
  const bin = join(packed, 'bin/assent.js');
  expect(await cli(['check', 'organization:delete', ...OWNER], { bin })).toMatchObject({
    code: 0,
    stdout: 'allowed ROLE_GRANTS\n',
  });
  expect(await cli(['policy', 'check', join(ROOT, 'demo/policy.yaml')], { bin })).toMatchObject({ code: 0 });
});

function tokenOf(claims: object): string {
  const now = Math.floor(Date.now() / 1000);
  const usual = { userId, email: 'ada@example.com', role: 'user', isActive: true, iat: now, exp: now + 600 };
  return signHmac({ ...usual, ...claims });
}
