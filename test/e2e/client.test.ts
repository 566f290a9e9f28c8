/** The client for TypeScript with real processes of the service: answers, batches, and the faults that it survives. */
import pg from 'pg';
import { afterAll, expect, it, onTestFinished } from 'vitest';
import { type AssentOptions, createAssent } from '../../packages/client/src/index.ts';
import { type ServingAssent, startAssent } from '../../tools/assent/assent-process.ts';
import { freePort } from '../../tools/local-services/ports.ts';
import { startProxy } from '../../tools/network/proxy.ts';
import { testDatabase } from '../support/database.ts';
import { portOf } from '../support/port-of.ts';
import { createSeed } from '../support/seed.ts';
import { settingsFor } from '../support/settings.ts';
import { applicationTemplate } from '../support/template.ts';
import { until } from '../support/until.ts';

const database = await testDatabase(await applicationTemplate('plural'));
const pool = new pg.Pool({ connectionString: database.url });
afterAll(() => pool.end());
const seed = createSeed(pool);
const [user, organization] = [await seed.user(), await seed.organization()];
await seed.member(user, organization, 'owner');
const [target, permission] = [{ user, organization }, 'organization:delete'];

const place = async () => ({
  ASSENT_GRPC_ADDRESS: `127.0.0.1:${await freePort()}`,
  ASSENT_HTTP_ADDRESS: `127.0.0.1:${await freePort()}`,
});
type Place = Awaited<ReturnType<typeof place>>;
const start = (at: Place): Promise<ServingAssent> => startAssent({ ...settingsFor(database.url), ...at });

const [first, second] = [await place(), await place()];
const replicas = await Promise.all([start(first), start(second)]);
afterAll(async () => void (await Promise.all(replicas.map((replica) => replica.stop()))));

const client = (options: Partial<AssentOptions> = {}) => {
  const assent = createAssent({ address: first.ASSENT_GRPC_ADDRESS, ...options });
  onTestFinished(() => assent.close());
  return assent;
};

/** Asks until `signal`, and tells the errors. */
const load = async (assent: ReturnType<typeof client>, signal: AbortSignal): Promise<readonly string[]> => {
  const failed: string[] = [];
  const one = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        if (!(await assent.can(target, permission))) failed.push('denied');
      } catch (error) {
        failed.push(String(error));
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  await Promise.all(Array.from({ length: 8 }, one));
  return failed;
};

it('every method of the client is answered by the service', async () => {
  const assent = client();
  expect(await assent.check(target, permission)).toMatchObject({
    allowed: true,
    reason: 'ROLE_GRANTS',
    roles: ['owner'],
    grantedBy: 'owner',
    principal: null,
  });
  expect(await assent.can({ user, organization: 'other' }, permission)).toBe(false);
  await expect(assent.require({ user, organization: 'other' }, permission)).rejects.toMatchObject({ code: 'DENIED' });
  await expect(assent.verify('no.token')).rejects.toMatchObject({ code: 'UNAUTHENTICATED', reason: 'TOKEN_MALFORMED' });
  expect((await assent.permissions(target)).permissions).toContain(permission);
  expect(await assent.user({ id: user })).toMatchObject({ id: user, banned: false });
  expect(await assent.user({ id: 'nobody' })).toBeNull();
  expect(await assent.organization({ id: organization })).toMatchObject({ id: organization });
  expect(await assent.organizations(user)).toMatchObject([{ organization: { id: organization }, roles: ['owner'] }]);
});

it('checks of one tick go out as one call, equal ones once, and each gets its own answer', async () => {
  const assent = client();
  await assent.ready();
  const checks = [target, target, { user, organization: 'other' }, { token: 'no.token' }] as const;
  const answers = await Promise.allSettled(checks.map((one) => assent.can(one, permission)));
  expect(answers).toMatchObject([
    { value: true },
    { value: true },
    { value: false },
    { reason: { code: 'UNAUTHENTICATED', reason: 'TOKEN_MALFORMED' } },
  ]);
  const metrics = await (await fetch(`${replicas[0].httpUrl}/metrics`)).text();
  expect(metrics).toMatch(/assent_requests_total\{method="BatchCheckPermissions",code="OK"\} 1\n/);
});

it('an aborted signal passes through as its own reason', async () => {
  const left = new AbortController();
  const reason = new Error('the user left');
  const answer = client().can(target, permission, { signal: left.signal });
  left.abort(reason);
  await expect(answer).rejects.toBe(reason);
});

it('an unknown permission is warned of once', async () => {
  const said: string[] = [];
  const assent = client({ logger: { warn: (text) => void said.push(text) } });
  for (let times = 0; times < 2; times += 1) expect(await assent.can(target, 'never:granted')).toBe(false);
  expect(said).toEqual([expect.stringContaining('never:granted')]);
});

it('without a service a call fails by its deadline with a typed error', async () => {
  const assent = client({ address: `127.0.0.1:${await freePort()}`, timeoutMs: 200 });
  await expect(assent.can(target, permission)).rejects.toMatchObject({ code: 'UNAVAILABLE', httpStatus: 503 });
  await expect(client({ address: 'no-such-host.invalid:1', timeoutMs: 300 }).can(target, permission)).rejects.toThrow(
    /no-such-host/,
  );
});

it('when one of two replicas stops answering, no call fails', async () => {
  const assent = client({ address: [first.ASSENT_GRPC_ADDRESS, second.ASSENT_GRPC_ADDRESS] });
  await assent.ready();
  const enough = new AbortController();
  const failures = load(assent, enough.signal);
  await new Promise((resolve) => setTimeout(resolve, 200));
  process.kill(Number(replicas[0].pid), 'SIGSTOP');
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  process.kill(Number(replicas[0].pid), 'SIGCONT');
  await new Promise((resolve) => setTimeout(resolve, 300));
  enough.abort();
  expect(await failures).toEqual([]);
});

it('when a connection forgets its bytes, the client makes another one', async () => {
  const proxy = await startProxy(portOf(`http://${first.ASSENT_GRPC_ADDRESS}`));
  onTestFinished(() => proxy.close());
  const assent = client({ address: `127.0.0.1:${proxy.port}` });
  await assent.ready();
  proxy.forget();
  expect(await assent.can(target, permission)).toBe(true);
});

it('when the address behind a name changes, the client follows it', async () => {
  const port = portOf(`http://${first.ASSENT_GRPC_ADDRESS}`);
  let address = '127.0.0.9';
  const assent = client({ address: `assent.test:${port}`, lookup: async () => [address] });
  await expect(assent.can(target, permission, { timeoutMs: 100 })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  address = '127.0.0.1';
  await until('the new address is called', async () => assent.can(target, permission).catch(() => false));
});

it('replicas restarted in turn fail no call, and a single one is called again within a second', async () => {
  const assent = client({ address: `${first.ASSENT_GRPC_ADDRESS},${second.ASSENT_GRPC_ADDRESS}` });
  await assent.ready();
  const enough = new AbortController();
  const failures = load(assent, enough.signal);
  for (const [index, at] of [first, second].entries()) {
    await replicas[index]?.stop();
    replicas[index] = await start(at);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
  enough.abort();
  expect(await failures).toEqual([]);
  await assent.close();

  const single = client();
  await single.ready();
  process.kill(Number(replicas[0].pid), 'SIGKILL');
  await replicas[0].stop();
  await expect(single.can(target, permission, { timeoutMs: 100 })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  replicas[0] = await start(first);
  const since = performance.now();
  await until('an answer', async () => single.can(target, permission).catch(() => false));
  process.stdout.write(`client: first success ${Math.round(performance.now() - since)} ms after SERVING\n`);
});
