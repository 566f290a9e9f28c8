/**
 * The SDKs that buf generates for TypeScript, Go, Python and Java, each in a program with the settings of docs/use/calling.md: they are
 * generated, built and run against the service, and go through outages. `npm run test:clients` runs this alone.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, type TestContext } from 'vitest';
import { type ServingAssent, startAssent } from '../../tools/assent/assent-process.ts';
import { freePort } from '../../tools/local-services/ports.ts';
import { run } from '../../tools/run.ts';
import { sha256 } from '../support/callers.ts';
import { testDatabase } from '../support/database.ts';
import { type Answer, keepAsking } from '../support/sdks/asking.ts';
import { LANGUAGES, type SdkProgram, TIMED } from '../support/sdks/languages.ts';
import { startNames } from '../support/sdks/names.ts';
import { createSeed } from '../support/seed.ts';
import { settingsFor } from '../support/settings.ts';
import { applicationTemplate } from '../support/template.ts';
import { until } from '../support/until.ts';

const CALLER_TOKEN = 'a-caller-token-of-the-tests-that-is-long-enough';
const EVERY_MS = 20;
const DEADLINE_MS = 1_000;
/** The interval of PINGs and the wait for an answer. */
const KEEPALIVE_MS = 12_000;
/** Long enough for the backoff of gRPC's defaults to grow beyond the bound below. */
const AWAY_MS = 10_000;
/** The longest wait of the settings, with its jitter, and time for the calls around it. */
const RECOVERY_MS = 2_500;

const database = await testDatabase(await applicationTemplate('plural'));
const pool = new pg.Pool({ connectionString: database.url });
afterAll(() => pool.end());
const seed = createSeed(pool);
const [userId, organizationId] = [await seed.user(), await seed.organization()];
await seed.member(userId, organizationId, 'owner');
const QUESTION = [userId, organizationId, 'organization:delete'] as const;

const folder = await mkdtemp(join(tmpdir(), 'assent-sdks-'));
afterAll(() => rm(folder, { recursive: true, force: true }));
const names = await startNames(join(folder, 'hosts'));
afterAll(() => names.close());
const callers = join(folder, 'callers');
await writeFile(callers, `orders: ${sha256(CALLER_TOKEN)}\n`);

for (const { name, missing } of LANGUAGES) {
  if (missing !== null) process.stderr.write(`not run: the SDK for ${name}: ${missing}\n`);
}
if (!TIMED) process.stderr.write('not run: the outages of SDKs, which measure times: npm run test:clients\n');
const languages = LANGUAGES.filter(({ missing }) => missing === null);
const programs = new Map<string, SdkProgram>();

describe('SDKs', () => {
  beforeAll(async () => {
    await Promise.all(
      languages.map(async ({ name, build }) => {
        const place = join(folder, name.toLowerCase());
        await mkdir(place);
        programs.set(name, await build(place, names));
      }),
    );
  }, 600_000);

  it.each(languages)('the program in $name gets the answers of the service', { timeout: 60_000 }, async ({ name }) => {
    const assent = await startAssent({ ...settingsFor(database.url), ASSENT_CALLER_TOKENS: callers });
    onTestFinished(async () => void (await assent.stop()));
    const ask = async (permission: string, token: string): Promise<string> => {
      const { file, args } = programOf(name);
      const env = { ...process.env, ASSENT_TOKEN: token };
      const question = [userId, organizationId, permission];
      return (await run(file, [...args, assent.grpcAddress, ...question], { env, timeout: 20_000 })).stdout.trim();
    };
    expect(await ask('organization:delete', CALLER_TOKEN)).toBe('allowed REASON_ROLE_GRANTS');
    expect(await ask('leave:approve', CALLER_TOKEN)).toBe('denied REASON_UNKNOWN_PERMISSION');
    expect(await ask('organization:delete', 'another')).toMatch(/^error unauthenticated$/i);
  });

  // They measure times, which says nothing beside other tests.
  describe.runIf(TIMED).concurrent('outages', () => {
    it(
      'programs with the documented settings ask again soon after the service was away',
      { timeout: 90_000 },
      (context) => recover(context, 'away', ['127.0.0.1', '127.0.0.1']),
    );

    it(
      'programs with the documented settings find the service at another address of its name',
      { timeout: 90_000 },
      (context) => recover(context, 'moved', ['127.0.0.1', '127.0.0.2']),
    );

    it('programs with the documented settings leave a replica that is stopped', {
      timeout: 90_000,
    }, async (context) => {
      const port = await freePort();
      const addresses = ['127.0.0.1', '127.0.0.2'];
      const [replica] = await Promise.all(addresses.map((host) => serveAt(context, host, port)));
      await names.set('replicas.test', addresses);
      const askings = askAt(context, 'replicas.test', port, ({ balances }) => balances);
      // The first answer comes once one of the two is connected.
      const many = () => askings.every(({ answers }) => answers.length > 100 && answers.slice(-50).every(isAllowed));
      await until('calls go to both', many, 30_000);
      const stopped = performance.now();
      replica?.kill('SIGSTOP');
      for (const { name, answers, next } of askings) {
        await next('error', stopped);
        const inARow = () => answers.slice(-100).every(isAllowed);
        await until(`100 calls of ${name} in a row are answered`, () => answers.length > 100 && inARow(), 60_000);
        const last = answers.findLast(({ text }) => text.startsWith('error'))?.at ?? stopped;
        report(`${name}: one replica of two stopped: the last call that failed, after ${seconds(last - stopped)} s`);
        context.expect.soft(last - stopped, name).toBeLessThan(KEEPALIVE_MS + 3 * DEADLINE_MS);
      }
    });
  });
});

/** Kills the service under load, starts it after a while at the second address, and measures when calls succeed. */
async function recover(
  context: TestContext,
  outage: string,
  [before = '', after = '']: readonly string[],
): Promise<void> {
  const port = await freePort();
  const assent = await serveAt(context, before, port);
  await names.set(`${outage}.test`, [before]);
  const askings = askAt(context, `${outage}.test`, port, ({ balances }) => balances || before === after);
  await Promise.all(askings.map(({ next }) => next('allowed')));
  assent.kill('SIGKILL');
  await Promise.all(askings.map(({ next }) => next('error')));
  await delay(AWAY_MS);
  for (const { name, answers } of askings) context.expect.soft(answers.at(-1)?.text, name).toMatch(/^error/);
  await names.set(`${outage}.test`, [after]);
  const killed = performance.now();
  await serveAt(context, after, port);
  const serving = performance.now();
  for (const { name, next } of askings) {
    const first = await next('allowed', killed);
    report(
      `${name}: ${outage} for ${AWAY_MS / 1000} s: the first answer ${seconds(first.at - serving)} s after SERVING`,
    );
    context.expect.soft(first.at - serving, name).toBeLessThan(RECOVERY_MS);
  }
}

async function serveAt({ onTestFinished }: TestContext, host: string, port: number): Promise<ServingAssent> {
  const assent = await startAssent({ ...settingsFor(database.url), ASSENT_GRPC_ADDRESS: `${host}:${port}` });
  onTestFinished(async () => void (await assent.stop()));
  return assent;
}

/** The programs of all languages that can are asking at once. */
function askAt({ onTestFinished }: TestContext, host: string, port: number, can: (program: SdkProgram) => boolean) {
  return [...programs]
    .filter(([, program]) => can(program))
    .map(([name, program]) => {
      const asking = keepAsking(program, program.target(host, port), QUESTION, EVERY_MS);
      onTestFinished(() => asking.stop());
      return { name, ...asking };
    });
}

function programOf(name: string): SdkProgram {
  const program = programs.get(name);
  if (program === undefined) throw new Error(`${name} was not built`);
  return program;
}

function isAllowed({ text }: Answer): boolean {
  return text.startsWith('allowed');
}

function report(text: string): void {
  process.stderr.write(`${text}\n`);
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(1);
}
