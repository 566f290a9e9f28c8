/** `npm run relay`, as a process. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { leastPrivilegeUrl } from '../../../tools/assent/least-privilege.ts';
import { testDatabase } from '../../support/database.ts';
import { testNats } from '../../support/nats.ts';
import { outboxDatabase, variantOf } from '../../support/relay/outbox.ts';
import { until } from '../../support/until.ts';

const CLI = fileURLToPath(new URL('../../../src/cli/relay.ts', import.meta.url));
const { url: natsUrl, stream, prefix } = await testNats();
const { url, pool, waiting } = await outboxDatabase(variantOf("by Better Auth's default names"));

const run = (env: Readonly<Record<string, string>>) => {
  const child = spawn(process.execPath, [CLI], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const lines: string[] = [];
  let stderr = '';
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
  });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return { child, ended, lines, stderr: () => stderr };
};

it('the relay publishes the outbox until a signal stops it', async () => {
  const { child, ended, lines } = run({
    RELAY_DATABASE_URL: leastPrivilegeUrl(url, 'assent_relay'),
    NATS_URL: natsUrl,
    NATS_STREAM: stream,
    ASSENT_EVENTS_PREFIX: prefix,
  });
  await until('it relays', () => lines.some((line) => line.includes('"event":"relay.active"')));
  await pool.query(`INSERT INTO "user" (id, name, email, "emailVerified", "createdAt", "updatedAt")
    VALUES ('u1', 'x', 'x@example.com', true, now(), now())`);
  await until('an empty outbox', async () => (await waiting()) === 0);
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
  expect(lines.at(-1)).toContain('"event":"process.stopped"');
});

it('a relay without access to the database warns once, goes on trying, and stops at a signal', async () => {
  const { child, ended, lines } = run({
    RELAY_DATABASE_URL: leastPrivilegeUrl(url, 'assent_relay').replace('assent_relay', 'nobody'),
    NATS_URL: natsUrl,
    NATS_STREAM: stream,
    ASSENT_EVENTS_PREFIX: prefix,
    LOG_LEVEL: 'debug',
  });
  const faults = () => lines.filter((line) => line.includes('"event":"relay.interrupted"'));
  await until('it tries again', () => faults().length > 1);
  expect(
    faults()
      .map((line) => (JSON.parse(line) as { level: number }).level)
      .slice(0, 2),
  ).toEqual([40, 20]);
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
});

it('a relay of a database without an outbox names the command that makes one, once, and never reports that it relays', async () => {
  const empty = await testDatabase();
  const { child, ended, lines } = run({
    RELAY_DATABASE_URL: empty.url,
    NATS_URL: natsUrl,
    NATS_STREAM: stream,
    ASSENT_EVENTS_PREFIX: prefix,
    LOG_LEVEL: 'debug',
  });
  const hints = () => lines.filter((line) => line.includes('npm run -s sql -- outbox'));
  await until('it tries again', () => hints().length > 1);
  expect(lines.filter((line) => (JSON.parse(line) as { level: number }).level >= 30)).toEqual([hints()[0]]);
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
});

it('a relay that lacks settings names all of them', async () => {
  const { ended, stderr } = run({ LOG_LEVEL: 'loud', NATS_STREAM: 'a b' });
  expect(await ended).toBe(1);
  for (const name of ['RELAY_DATABASE_URL', 'NATS_URL', 'LOG_LEVEL', 'NATS_STREAM']) {
    expect(stderr()).toContain(`- ${name} `);
  }
});
