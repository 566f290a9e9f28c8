/** The guards of Fastify, Express and Hono: one table of requests for all, over real HTTP. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import express from 'express';
// @ts-expect-error The second name of the package has no types.
import express4 from 'express4';
import fastify from 'fastify';
import { Hono } from 'hono';
import { afterAll, describe, expect, it } from 'vitest';
import * as forExpress from '../../../packages/client/src/express.ts';
import * as forFastify from '../../../packages/client/src/fastify.ts';
import * as forHono from '../../../packages/client/src/hono.ts';
import { AssentError, createFakeAssent } from '../../../packages/client/src/index.ts';

type Permission = 'leave:approve';
const assent = createFakeAssent<Permission>({ tokens: { ada: { userId: 'u1' }, bob: { userId: 'u2' } } });
assent.grant('u1', { organization: 'acme' }, 'leave:approve');
const options = { assent, onError: () => {} };

const viaFastify = async () => {
  const app = fastify();
  app.register(forFastify.assentPlugin, options);
  const may = forFastify.guard<Permission>;
  // @ts-expect-error A misspelt permission does not compile.
  may('leave:aprove');
  app.after(() => {
    app.get('/orgs/:org', { preHandler: may('leave:approve', (r) => r.params.org) }, (r) => r.principal.userId);
  });
  const url = await app.listen({ port: 0, host: '127.0.0.1' });
  return { url, stop: () => app.close() };
};

const viaExpress = (create: typeof express) => async () => {
  const app = create();
  app.use(forExpress.assentPlugin(options));
  const may = forExpress.guard<Permission>;
  // An empty part of the path is no parameter of Express: the header stands for one.
  const organization = (r: forExpress.GuardedRequest) => (r.path === '/orgs/' ? '' : r.params.org);
  app.get(['/orgs/:org', '/orgs/'], may('leave:approve', organization), (r, response) => {
    response.send(r.principal.userId);
  });
  const server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, stop: () => new Promise((resolve) => server.close(resolve)) };
};

const viaHono = async () => {
  const app = new Hono();
  app.use(forHono.assentPlugin(options));
  const may = forHono.guard<Permission>;
  for (const path of ['/orgs/:org', '/orgs/']) {
    app.get(
      path,
      may('leave:approve', (c) => c.req.param('org')),
      (c) => c.text(c.get('principal').userId),
    );
  }
  return new Promise<{ url: string; stop(): unknown }>((resolve) => {
    const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) =>
      resolve({ url: `http://127.0.0.1:${port}`, stop: () => server.close() }),
    );
  });
};

const FRAMEWORKS = [
  ['Fastify', viaFastify],
  ['Express 5', viaExpress(express)],
  ['Express 4', viaExpress(express4 as unknown as typeof express)],
  ['Hono', viaHono],
] as const;

describe.each(FRAMEWORKS)('%s', async (_name, start) => {
  const { url, stop } = await start();
  afterAll(async () => void (await stop()));
  const get = (path: string, token: string | null) =>
    fetch(`${url}${path}`, { headers: token === null ? {} : { authorization: `Bearer ${token}` } });

  it('a guard answers by the decision', async () => {
    const allowed = await get('/orgs/acme', 'ada');
    expect([allowed.status, await allowed.text()]).toEqual([200, 'u1']);
    const statuses = [
      await get('/orgs/acme', 'bob'),
      await get('/orgs/acme', null),
      await get('/orgs/acme', 'unknown'),
      await get('/orgs/', 'ada'),
    ].map(({ status }) => status);
    expect(statuses).toEqual([403, 401, 401, 400]);
  });

  it('a guard without an answer is 503 with Retry-After, and a misconfiguration 500 without details', async () => {
    assent.failWith(new AssentError('UNAVAILABLE', 'DEADLINE_EXCEEDED', 'no answer'));
    const away = await get('/orgs/acme', 'ada');
    expect([away.status, away.headers.get('retry-after')]).toEqual([503, '1']);
    assent.failWith(new AssentError('MISCONFIGURED', 'CALLER_UNAUTHENTICATED', 'the secret detail'));
    const wrong = await get('/orgs/acme', 'ada');
    expect([wrong.status, (await wrong.text()).includes('secret')]).toEqual([500, false]);
    assent.failWith(null);
  });
});
