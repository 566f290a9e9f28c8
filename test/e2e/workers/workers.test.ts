import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, expect, it, vi } from 'vitest';
import { startAssent } from '../../../tools/assent/assent-process.ts';
import { isAlive } from '../../../tools/local-services/processes.ts';
import { testDatabase } from '../../support/database.ts';
import { createSeed } from '../../support/seed.ts';
import { settingsFor } from '../../support/settings.ts';
import { applicationTemplate } from '../../support/template.ts';
import { until } from '../../support/until.ts';

// Ten services of three processes each start at once here, and a stop with a stuck worker alone takes nine seconds.
vi.setConfig({ testTimeout: 60_000 });

const database = await testDatabase(await applicationTemplate('plural'));
const pool = new pg.Pool({ connectionString: database.url });
afterAll(() => pool.end());
const ENVIRONMENT = settingsFor(database.url);

/** The processes whose parent this is. */
const childrenOf = (pid: number): readonly number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);

it('several workers share the addresses, a dead one is replaced, and metrics and health cover all of them', async () => {
  const seed = createSeed(pool);
  const [userId, organizationId] = [await seed.user(), await seed.organization()];
  await seed.member(userId, organizationId, 'owner');
  const assent = await startAssent({ ...ENVIRONMENT, ASSENT_WORKERS: '2' });
  const pid = assent.logs().find(({ event }) => event === 'service.serving')?.['pid'] as number;
  let lastReplica: string | null = null;
  const revisions = new Set<string | null>();
  const ask = async (): Promise<unknown> => {
    const response = await fetch(`${assent.httpUrl}/assent.auth.v1.AuthService/CheckPermission`, {
      method: 'POST',
      // A separate connection for each call, so that both workers get some.
      headers: { 'content-type': 'application/json', connection: 'close', 'assent-trace': '1' },
      body: JSON.stringify({ userId, organizationId, permission: 'organization:delete' }),
    });
    lastReplica = response.headers.get('assent-replica');
    revisions.add(response.headers.get('assent-position'));
    return ((await response.json()) as { allowed: unknown }).allowed;
  };
  const ready = async (): Promise<number> => (await fetch(`${assent.httpUrl}/readyz`)).status;
  try {
    const [first] = childrenOf(pid);
    expect(childrenOf(pid)).toHaveLength(2);
    expect(await ready()).toBe(200);
    for (let count = 0; count < 20; count += 1) expect(await ask()).toBe(true);
    expect(revisions.size).toBe(1);
    expect([...revisions][0]).toMatch(/^ttl@[\w-]{16}:0$/);
    const metrics = await (await fetch(`${assent.httpUrl}/metrics`)).text();
    expect(metrics).toContain('assent_requests_total{method="CheckPermission",code="OK"} 20');
    // Without NATS there is no subscription to be live.
    expect(metrics).not.toMatch(/^assent_events_live/m);
    // Each worker has a separate memory: both answered, so both hold the pair.
    expect(metrics).toMatch(/^assent_memory_entries 2$/m);

    if (first !== undefined) process.kill(first, 'SIGKILL');
    await until('another worker', () => !childrenOf(pid).includes(first ?? 0) && childrenOf(pid).length === 2);
    expect(assent.logged(({ event }) => event === 'workers.worker_died', 2_000)).toBeTruthy();
    expect(await ready()).toBe(200);
    const answering = new Set<string | null>();
    await until('the new one answers, too', async () => {
      expect(await ask()).toBe(true);
      answering.add(lastReplica);
      return answering.size === 2;
    });
  } finally {
    expect(await assent.stop()).toMatchObject({ code: 0 });
  }
  // A worker more or less is no news of the whole.
  expect(assent.logs().filter(({ event }) => event === 'service.serving')).toHaveLength(1);
});

it.concurrent('the service ends when its workers cannot start', async () => {
  const empty = await testDatabase();
  await expect(startAssent({ ...ENVIRONMENT, DATABASE_URL: empty.url, ASSENT_WORKERS: '2' })).rejects.toThrow(
    /cannot start|exit/i,
  );
});

// Most of it is waiting: the others go on meanwhile.
it.concurrent('a stuck worker does not keep the service from ending', async () => {
  const assent = await startAssent({ ...ENVIRONMENT, ASSENT_WORKERS: '2' });
  const [stuck = 0] = childrenOf(assent.pid ?? 0);
  process.kill(stuck, 'SIGSTOP');
  assent.kill('SIGTERM');
  // The process that started it kills it otherwise, long after this test's time-out.
  expect(await assent.exited).toEqual({ code: 1, signal: null });
  expect(assent.logs().map(({ event }) => event)).toContain('workers.worker_killed');
});

// Ctrl-C reaches the whole group, and so does systemd's SIGTERM.
it.concurrent.each(['SIGINT', 'SIGTERM'] as const)(
  '%s is handled by the primary process: workers that receive it go on',
  async (signal) => {
    const assent = await startAssent({ ...ENVIRONMENT, ASSENT_WORKERS: '2' });
    const workers = childrenOf(assent.pid ?? 0);
    for (const worker of workers) process.kill(worker, signal);
    // One connection for each of them.
    const ready = () => fetch(`${assent.httpUrl}/readyz`, { headers: { connection: 'close' } });
    for (const { status } of await Promise.all([ready(), ready()])) expect(status).toBe(200);
    expect(childrenOf(assent.pid ?? 0)).toEqual(workers);
    expect(await assent.stop()).toEqual({ code: 0, signal: null });
  },
);

it.concurrent('a worker that cannot be replaced yet does not disturb the others, and Ctrl-C to all processes counts once', async ({
  onTestFinished,
}) => {
  const folder = mkdtempSync(join(tmpdir(), 'assent-workers-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const policy = join(folder, 'policy.yaml');
  writeFileSync(policy, 'version: 1');
  const assent = await startAssent({ ...ENVIRONMENT, ASSENT_WORKERS: '2', ASSENT_POLICY: policy });
  const pid = assent.pid ?? 0;
  const [first = 0, second = 0] = childrenOf(pid);
  // The other one goes on with what it read before.
  writeFileSync(policy, 'version: 3');
  process.kill(first, 'SIGKILL');
  await assent.logged(({ event, code }) => event === 'workers.worker_died' && code === 1);
  expect(childrenOf(pid)).toContain(second);
  expect((await fetch(`${assent.httpUrl}/readyz`)).status).toBe(200);

  // As a terminal does it: to the whole group.
  process.kill(-pid, 'SIGINT');
  expect(await assent.exited).toEqual({ code: 0, signal: null });
  const died = assent.logs().filter(({ event }) => event === 'workers.worker_died');
  expect(died.map(({ code, signal }) => signal ?? code)).toEqual(['SIGKILL', ...Array(died.length - 1).fill(1)]);
});

it.concurrent('metrics are served while a worker is stuck, and no counter decreases, not even when the worker dies', async () => {
  const assent = await startAssent({ ...ENVIRONMENT, ASSENT_WORKERS: '2' });
  const get = async (path: string): Promise<string> =>
    // A separate connection for each: connections are distributed in turn.
    (await fetch(`${assent.httpUrl}${path}`, { headers: { connection: 'close' } })).text();
  // Of two connections a worker that is stuck is given one at most.
  const scrape = async (): Promise<ReadonlyMap<string, number>> => {
    const text = await Promise.any([get('/metrics'), get('/metrics')]);
    const lines = text.split('\n').map((line) => /^(\S+) (\S+)$/.exec(line) ?? []);
    return new Map(lines.map(([, name = '', value]) => [name, Number(value)]));
  };
  const ask = { method: 'POST', headers: { 'content-type': 'application/json', connection: 'close' }, body: '{}' };
  const counted = 'assent_requests_total{method="VerifyToken",code="INVALID_ARGUMENT"}';
  try {
    for (let call = 0; call < 20; call += 1)
      await fetch(`${assent.httpUrl}/assent.auth.v1.AuthService/VerifyToken`, ask);
    const before = await scrape();
    expect(before.get(counted)).toBe(20);
    expect(before.get('assent_workers{state="answering"}')).toBe(2);
    expect(before.get('assent_workers{state="silent"}')).toBe(0);

    const [stuck = 0] = childrenOf(assent.pid ?? 0);
    process.kill(stuck, 'SIGSTOP');
    const during = await scrape();
    expect(during.get(counted)).toBe(20);
    expect(during.get('assent_workers{state="answering"}')).toBe(1);
    expect(during.get('assent_workers{state="silent"}')).toBe(1);

    process.kill(stuck, 'SIGKILL');
    await until('another worker answers', async () => (await scrape()).get('assent_workers{state="answering"}') === 2);
    const after = await scrape();
    expect(after.get(counted)).toBe(20);
    expect(after.get('assent_request_duration_seconds_count{method="VerifyToken"}')).toBe(20);
  } finally {
    expect(await assent.stop()).toMatchObject({ code: 0 });
  }
});

it.concurrent('workers end when their primary process is gone', async () => {
  const assent = await startAssent({ ...ENVIRONMENT, ASSENT_WORKERS: '2' });
  const workers = childrenOf(assent.pid ?? 0);
  expect(workers).toHaveLength(2);
  assent.kill('SIGKILL');
  await until('the workers are gone', () => !workers.some(isAlive));
});

it.concurrent('workers share the gRPC address as well', async () => {
  const assent = await startAssent({ ...ENVIRONMENT, ASSENT_WORKERS: '2' });
  try {
    const sessions = [connect(assent.grpcUrl), connect(assent.grpcUrl), connect(assent.grpcUrl)];
    const statuses = sessions.map(
      (session) =>
        new Promise<unknown>((resolve, reject) => {
          const stream = session.request({
            ':method': 'POST',
            ':path': '/grpc.health.v1.Health/Check',
            'content-type': 'application/grpc',
            te: 'trailers',
          });
          let body = Buffer.alloc(0);
          stream.on('data', (chunk: Buffer) => {
            body = Buffer.concat([body, chunk]);
          });
          stream.on('end', () => resolve([...body]));
          stream.on('error', reject);
          stream.end(Buffer.alloc(5));
        }),
    );
    // An uncompressed message of two bytes: field 1, SERVING.
    expect(await Promise.all(statuses)).toEqual(Array(3).fill([0, 0, 0, 0, 2, 8, 1]));
    for (const session of sessions) session.close();
  } finally {
    await assent.stop();
  }
});
