/** `npm run demo`, as a user runs it but for npm. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { run as runProgram } from '../../tools/run.ts';

const MAIN = fileURLToPath(new URL('../../demo/main.ts', import.meta.url));
const BUF = fileURLToPath(new URL('../../node_modules/.bin/buf', import.meta.url));
const TIMEOUT_MS = 60_000;

/** Starts the demo; ends it at the end of the test, whatever happened. */
const startDemo = (args: readonly string[], env: NodeJS.ProcessEnv = process.env) => {
  const child = spawn(process.execPath, [MAIN, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const { promise: up, resolve: isUp, reject: isNot } = Promise.withResolvers<void>();
  up.catch(() => {});
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
      if (output.includes('until Ctrl-C')) isUp();
    });
  }
  const ended = new Promise<number | null>((resolve) => {
    child.once('close', (code) => {
      isNot(new Error(`the demo ended:\n${output}`));
      resolve(code);
    });
  });
  onTestFinished(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  return { child, up, ended, output: () => output };
};

/** The titles of the steps, in order, after checking that each of them held. */
const stepsOf = (output: string): string[] => {
  const steps = [...output.matchAll(/^ *\d+ (?<title>.*)\n(?<rows>(?: {3}.*\n)+)/gm)];
  for (const { groups } of steps) {
    expect(groups?.['rows']).toMatch(/^ {3}asked .+\n {3}answered .+\n {3}took +(?:[\d.]+ ms.*)\n(?: {3}⇄ .+\n)?$/);
  }
  return steps.map(({ groups }) => groups?.['title'] ?? '');
};

const BEFORE = [
  'Sam signs in',
  'Sam chooses Acme and gets a JWT of the jwt plugin',
  'Assent verifies the token',
  'Sam, who is staff, may not approve leave',
  'The same again, now from memory',
];
const CHANGES = [
  'Olivia, the owner, makes Sam an admin: the decision flips',
  'Root, the superadmin, bans Sam: the decision flips again',
];
const AFTER = ['A token that was changed is refused', 'Where Sam is a member'];

const answers = (url: string): Promise<boolean> =>
  fetch(url).then(
    () => true,
    () => false,
  );

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

describe('the demo', () => {
  it('the demo ends after the tour with --once, and every step holds', { timeout: TIMEOUT_MS }, async () => {
    const { ended, output } = startDemo(['--once']);
    expect(await ended, output()).toBe(0);
    expect(stepsOf(output())).toEqual([...BEFORE, ...CHANGES, ...AFTER]);
    expect(output()).toMatch(/took +[\d.]+ ms from the commit to the first new answer/);
    // The service's own time, beside that of its caller.
    expect(output().match(/took .*; Assent itself [\d.]+ ms/g)).toHaveLength(3);
    expect(output()).toMatch(/took .* the median of 500 calls one after the other; Assent itself [\d.]+ ms on average/);
    // What the tour is for stands out, in its step and at the end.
    expect(output().match(/⇄ +denied → allowed, [\d.]+ ms after the commit/g)).toHaveLength(2);
    expect(output().match(/⇄ +allowed → denied, [\d.]+ ms after the commit/g)).toHaveLength(2);
    expect(output()).not.toContain('held yes');
    expect(output()).toContain('UNAUTHENTICATED · TOKEN_SIGNATURE_INVALID');
    expect(output()).toContain('9 of 9 steps held');
    // No colours in a pipe.
    expect(output()).not.toContain('\u001b');
  });

  it('the demo without --once stays up, with commands that work, until Ctrl-C stops everything', {
    timeout: TIMEOUT_MS,
  }, async () => {
    const { child, up, ended, output } = startDemo([]);
    await up;
    const [ask = ''] = /^curl .*CheckPermission$/m.exec(output()) ?? [];
    const [unban = ''] = /^curl .*unban-user$/m.exec(output()) ?? [];
    const url = (line: string): string => line.slice(line.lastIndexOf(' ') + 1);
    const [variables = ''] = /^export TOKEN=.*$/m.exec(output()) ?? [];
    expect(output().indexOf(variables)).toBeLessThan(output().indexOf(ask));
    /** The words of a line as a shell makes them of what was pasted before. */
    const words = async (line: string): Promise<readonly string[]> => {
      const script = `${variables}\nprintf '%s\\0' ${line}`;
      return (await runProgram('/bin/sh', ['-c', script])).stdout.split('\0').slice(0, -1);
    };
    // The line itself, with what curl does done by fetch: not every machine has curl.
    const run = async (line: string): Promise<unknown> => {
      const args = await words(line);
      const valuesOf = (flag: string) => args.flatMap((word, index) => (args[index - 1] === flag ? [word] : []));
      const headers = valuesOf('-H').map((header) => header.split(/: (.*)/s, 2) as [string, string]);
      const response = await fetch(url(line), { method: 'POST', headers, body: valuesOf('-d').join() });
      return response.json();
    };
    const [buf = ''] = /^npx @bufbuild\/buf curl .*$/m.exec(output()) ?? [];
    const [, , ...args] = await words(buf);
    const byToken = await runProgram(BUF, [...args]);
    expect(JSON.parse(byToken.stdout)).toMatchObject({ allowed: true, principal: { email: 'olivia@acme.example' } });
    // By default it does not show what is false.
    const calls = output().match(/^grpcurl .* assent\.auth\S+\/\w+$/gm) ?? [];
    expect(calls.filter((line) => !line.includes(' -emit-defaults '))).toEqual([]);
    expect(calls.length).toBeGreaterThan(1);
    expect(await run(ask)).toMatchObject({ reason: 'REASON_USER_BANNED' });
    expect(await run(unban)).toMatchObject({ user: { banned: false } });
    await expect.poll(() => run(ask), { timeout: 5_000 }).toMatchObject({ allowed: true, grantedBy: 'admin' });

    child.kill('SIGINT');
    expect(await ended, output()).toBe(0);
    expect(await answers(url(ask))).toBe(false);
    expect(await answers(url(unban))).toBe(false);
  });

  it('the demo goes on without Redis and NATS, and names the omitted steps', { timeout: TIMEOUT_MS }, async () => {
    // Nothing on the path and nothing downloaded before: neither can be had.
    const home = await mkdtemp(join(tmpdir(), 'assent-demo-home-'));
    folders.push(home);
    const { ended, output } = startDemo(['--once'], { HOME: home, PATH: join(home, 'nothing') });
    expect(await ended, output()).toBe(0);
    expect(stepsOf(output())).toEqual([...BEFORE, ...AFTER]);
    expect(output()).toContain('7 of 7 steps held, 2 left out');
    expect(output()).toMatch(/left out, since NATS cannot be had here: Sam becomes an admin/);
  });
});
