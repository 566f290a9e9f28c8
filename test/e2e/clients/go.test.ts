/**
 * The Go kit: its own tests, and a program with its defaults against the real service through restarts, a stopped replica and
 * half-open connections. Where Go is missing, one line says so.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type ServingAssent, startAssent } from '../../../tools/assent/assent-process.ts';
import { freePort } from '../../../tools/local-services/ports.ts';
import { startProxy } from '../../../tools/network/proxy.ts';
import { run } from '../../../tools/run.ts';
import { testDatabase } from '../../support/database.ts';
import { TIMED } from '../../support/sdks/languages.ts';
import { createSeed } from '../../support/seed.ts';
import { settingsFor } from '../../support/settings.ts';
import { applicationTemplate } from '../../support/template.ts';
import { until } from '../../support/until.ts';

const MODULE = fileURLToPath(new URL('../../../clients/go', import.meta.url));
const BUILD_MS = 300_000;
const STOPPED_MS = 4_000;
/** A call has 1 s; the rest is the scheduling of a busy machine. */
const LONGEST_MS = 2_000;
const AWAY_MS = 5_000;
/** The longest wait between two connections while calls come, and a connection with its health watch. */
const RETURN_MS = 1_500;

/** Builds and runs with the race detector, which takes a minute more. */
const race = process.env['ASSENT_GO_RACE'] !== undefined;

const missing = (() => {
  try {
    execFileSync('go', ['version'], { stdio: 'pipe' });
    return null;
  } catch {
    return 'Go is not installed';
  }
})();
if (missing !== null) process.stderr.write(`not run: the tests of clients/go: ${missing}\n`);

const database = await testDatabase(await applicationTemplate('plural'));
const pool = new pg.Pool({ connectionString: database.url });
afterAll(() => pool.end());
const seed = createSeed(pool);
const [userId, organizationId] = [await seed.user(), await seed.organization()];
await seed.member(userId, organizationId, 'owner');
const folder = await mkdtemp(join(tmpdir(), 'assent-go-'));
afterAll(() => rm(folder, { recursive: true, force: true }));
const probe = join(folder, 'probe');

describe.runIf(missing === null)('the Go kit', () => {
  beforeAll(async () => {
    await run('go', ['build', '-o', probe, './internal/probe'], { cwd: MODULE });
  }, BUILD_MS);

  it.each(['.', 'echo', 'echov4', 'otel'])(
    'its module %s passes go vet and go test',
    { timeout: BUILD_MS },
    async (module) => {
      const cwd = join(MODULE, module);
      await run('go', ['vet', './...'], { cwd });
      await run('go', ['test', ...(race && module === '.' ? ['-race'] : []), './...'], { cwd });
    },
  );

  it('three replicas that are restarted in turn fail no call', { timeout: 120_000 }, async () => {
    const ports = [await freePort(), await freePort(), await freePort()];
    const replicas = await Promise.all(ports.map((port) => serve(port)));
    const asking = keepAsking(ports.map((port) => `127.0.0.1:${port}`).join(','));
    await until('it is answered', () => asking.answers.length > 50);
    for (const [index, port] of ports.entries()) {
      await replicas[index]?.stop();
      replicas[index] = await serve(port);
      const before = asking.answers.length;
      await until('it is answered', () => asking.answers.length > before + 50);
    }
    expect(await asking.failures()).toEqual([]);
  });

  it('one of two replicas that is stopped fails no call', { timeout: 60_000 }, async () => {
    const ports = [await freePort(), await freePort()] as const;
    const [first] = [await serve(ports[0]), await serve(ports[1])];
    const asking = keepAsking(ports.map((port) => `127.0.0.1:${port}`).join(','));
    await until('it is answered', () => asking.answers.length > 50);
    first.kill('SIGSTOP');
    await delay(STOPPED_MS);
    first.kill('SIGCONT');
    const before = asking.answers.length;
    await until('it is answered', () => asking.answers.length > before + 50);
    expect(await asking.failures()).toEqual([]);
    // A connection in quarantine takes no calls: few calls wait for a second attempt.
    if (TIMED) expect(asking.answers.filter(({ tookMs }) => tookMs > 200).length).toBeLessThan(20);
  });

  it('a service that was killed and away is used within a second of its return', { timeout: 60_000 }, async () => {
    const port = await freePort();
    const assent = await serve(port);
    const asking = keepAsking(`127.0.0.1:${port}`);
    await until('it is answered', () => asking.answers.length > 50);
    assent.kill('SIGKILL');
    await delay(AWAY_MS);
    await serve(port);
    const [returned, seen] = [performance.now(), asking.answers.length];
    await until('it is answered', () => asking.answers.slice(seen).some(({ word }) => word === 'allowed'));
    const tookMs = performance.now() - returned;
    process.stdout.write(`the Go kit's first answer: ${Math.round(tookMs)} ms after the service's return\n`);
    if (TIMED) expect(tookMs).toBeLessThan(RETURN_MS);
    const failures = await asking.failures();
    expect(failures.filter(({ word }) => !word.startsWith('UNAVAILABLE/'))).toEqual([]);
    if (TIMED) expect(failures.filter(({ tookMs: took }) => took > LONGEST_MS)).toEqual([]);
  });

  it('connections that have become half-open fail no call, since a late call goes out on another one', {
    timeout: 60_000,
  }, async () => {
    const port = await freePort();
    await serve(port);
    const proxy = await startProxy(port);
    onTestFinished(() => proxy.close());
    const asking = keepAsking(`127.0.0.1:${proxy.port},127.0.0.1:${port}`);
    await until('it is answered', () => asking.answers.length > 50 && proxy.open() > 0);
    proxy.forget();
    const before = asking.answers.length;
    await until('it is answered', () => asking.answers.length > before + 200);
    expect(await asking.failures()).toEqual([]);
  });
});

async function serve(port: number): Promise<ServingAssent> {
  const assent = await startAssent({ ...settingsFor(database.url), ASSENT_GRPC_ADDRESS: `127.0.0.1:${port}` });
  onTestFinished(async () => {
    assent.kill('SIGCONT');
    await assent.stop();
  });
  return assent;
}

interface Answer {
  readonly word: string;
  readonly tookMs: number;
}

/** A program with four callers, each of which asks every 20 ms. */
function keepAsking(target: string) {
  const child: ChildProcess = spawn(
    probe,
    ['-target', target, '-user', userId, '-organization', organizationId, '-permission', 'organization:delete'],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const answers: Answer[] = [];
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [word = '', tookMs = ''] = line.split(' ');
      answers.push({ word, tookMs: Number(tookMs) });
    });
  }
  const end = async (): Promise<void> => {
    child.stdin?.end();
    await ended;
  };
  onTestFinished(end);
  return {
    answers,
    /** Ends the program; every answer that is not "allowed". */
    failures: async (): Promise<readonly Answer[]> => {
      await end();
      return answers.filter(({ word }) => word !== 'allowed');
    },
  };
}
