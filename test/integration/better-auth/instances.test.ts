/** Many instances of Better Auth in one process, as applications make them for each request: one connection. */

import { inspect } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { betterAuth } from 'better-auth';
import pg from 'pg';
import { afterAll, expect, inject, it, onTestFinished, vi } from 'vitest';
import { type AssentOptions, assent } from '../../../packages/better-auth/src/index.ts';
import { createPublisher } from '../../../packages/better-auth/src/publisher.ts';
import { startProxy, through } from '../../../tools/network/proxy.ts';
import { acknowledged } from '../../support/better-auth/acknowledged.ts';
import { createApplication } from '../../support/better-auth/application.ts';
import { recordEvents } from '../../support/better-auth/event-recorder.ts';
import { testDatabase } from '../../support/database.ts';
import { testNats } from '../../support/nats.ts';
import { portOf } from '../../support/port-of.ts';
import { until } from '../../support/until.ts';

const { url, prefix, stream } = await testNats();
const { url: databaseUrl } = await testDatabase();
await createApplication({ databaseUrl, assent: null }).migrate();
const pool = new pg.Pool({ connectionString: databaseUrl, max: 5 });
afterAll(() => pool.end());

const setUp = async () => {
  const proxy = await startProxy(portOf(url));
  const nats = through(url, proxy).replace('nats://', 'nats://user:password-of-nats@');
  const options = { nats, prefix, stream };
  onTestFinished(async () => {
    await assent(options).close();
    await proxy.close();
  });
  return { proxy, options, recorder: await recordEvents(url, prefix, () => {}, onTestFinished) };
};

/** What `createAuth()` of an application is. */
const createAuth = (options: AssentOptions, plugin = assent) =>
  betterAuth({
    database: pool,
    baseURL: 'http://localhost:3000',
    secret: 'a-secret-of-the-tests-that-is-long-enough',
    logger: { level: 'warn' },
    emailAndPassword: {
      enabled: true,
      password: { hash: async (password) => password, verify: async ({ hash, password }) => hash === password },
    },
    plugins: [plugin(options)],
  });

const request = async (auth: ReturnType<typeof createAuth>): Promise<object> => {
  const body = { name: 'somebody', email: `${crypto.randomUUID()}@example.com`, password: 'correct horse battery' };
  return { name: 'user.updated', userId: (await auth.api.signUpEmail({ body })).user.id };
};

it('300 requests with an instance each share one connection, and publish each event once', async () => {
  const { proxy, options, recorder } = await setUp();
  const expected = [await request(createAuth(options))];
  const listeners = process.eventNames().map((name) => process.listenerCount(name));
  for (let batch = 1; batch < 30; batch += 1) {
    expected.push(...(await Promise.all(Array.from({ length: 10 }, () => request(createAuth(options))))));
  }
  await acknowledged(assent(options));
  await recorder.catchUp();
  const byUser = (events: readonly object[]) => events.map((event) => JSON.stringify(event)).sort();
  expect(byUser(recorder.events)).toEqual(byUser(expected));
  expect(proxy.accepted()).toBe(1);
  expect(process.eventNames().map((name) => process.listenerCount(name))).toEqual(listeners);
});

it('a module that is loaded again uses the same connection, and a surviving adapter is observed once', async () => {
  const { proxy, options, recorder } = await setUp();
  const first = createAuth(options);
  await request(first);
  for (let reload = 0; reload < 3; reload += 1) {
    vi.resetModules();
    const module = await import('../../../packages/better-auth/src/index.ts');
    expect(module.assent).not.toBe(assent);
    await request(createAuth(options, module.assent));
    module.assent(options).init((await first.$context) as never);
  }
  await request(first);
  await acknowledged(assent(options));
  await recorder.catchUp();
  expect(recorder.events).toHaveLength(5);
  expect(proxy.accepted()).toBe(1);
});

it('an instance that is no longer used is forgotten', async () => {
  const { options } = await setUp();
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  const contexts: WeakRef<object>[] = [];
  for (let count = 0; count < 20; count += 1) {
    const auth = createAuth(options);
    await request(auth);
    contexts.push(new WeakRef(await auth.$context));
  }
  await until('only the latest are there', () => {
    collect();
    return contexts.filter((context) => context.deref() !== undefined).length <= 2;
  });
});

it('two targets have a connection each', async () => {
  const { proxy, options } = await setUp();
  const other = { ...options, prefix: `${prefix}.other`, stream: `${stream}_OTHER`, mode: 'core' } as const;
  onTestFinished(() => assent(other).close());
  await request(createAuth(options));
  await request(createAuth(other));
  await until('every event is acknowledged', () => assent(options).pending() + assent(other).pending() === 0);
  expect(proxy.accepted()).toBe(2);
});

it('no state of the process shows a password', async () => {
  const { options } = await setUp();
  await request(createAuth(options));
  const symbols = Object.getOwnPropertySymbols(globalThis).filter(({ description }) => description?.includes('assent'));
  expect(symbols).toHaveLength(1);
  const kept = symbols.map((key) => Reflect.get(globalThis, key));
  const shown = inspect(kept, { depth: 10, showHidden: true, maxArrayLength: null });
  expect(shown).not.toContain('password-of-nats');
});

it('an idle connection is closed, and the next change opens another one', async () => {
  const { proxy } = await setUp();
  const publisher = createPublisher({
    ...{ url: through(inject('natsUrl'), proxy), prefix, stream, mode: 'stream', domain: null, bufferSize: 10 },
    ...{ idleMs: 50, warn: () => {} },
  });
  publisher.publish([{ name: 'user.deleted', userId: 'one' }]);
  expect(await publisher.settled(10_000)).toBe(true);
  await until('it is closed', () => proxy.open() === 0);
  publisher.publish([{ name: 'user.deleted', userId: 'two' }]);
  expect(await publisher.settled(10_000)).toBe(true);
  expect(proxy.accepted()).toBe(2);
  await until('it is closed again', () => proxy.open() === 0);
});

it('a request that begins opens the connection again, and keeps it', async () => {
  const { proxy, options } = await setUp();
  const auth = createAuth(options);
  const published = assent(options);
  await auth.api.ok();
  await until('it is connected', () => proxy.open() === 1);
  await published.close();
  await until('it is closed', () => proxy.open() === 0);
  await auth.api.ok();
  await until('it is connected again', () => proxy.open() === 1);
  expect(proxy.accepted()).toBe(2);
});
