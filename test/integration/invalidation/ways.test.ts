/** The ways to a stream that is not on the server of the connection: leaf nodes and JetStream domains. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type JetStreamManager } from 'nats';
import { expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { createFreshnessTracker } from '../../../src/facts/freshness.ts';
import { createListener } from '../../../src/invalidation/listener.ts';
import { type Server, startNats } from '../../../tools/local-services/index.ts';
import { freePort } from '../../../tools/local-services/ports.ts';
import { startProxy } from '../../../tools/network/proxy.ts';
import { until } from '../../support/until.ts';

const STREAM = 'EVENTS';

const start = async (jetstream: boolean, config: string): Promise<Server> => {
  const folder = await mkdtemp(join(tmpdir(), 'assent-test-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'nats.conf');
  await writeFile(file, config);
  const server = await startNats({ own: true, jetstream, args: ['-c', file] });
  onTestFinished(() => server.stop());
  return server;
};
const proxyTo = async (port: number) => {
  const proxy = await startProxy(port);
  onTestFinished(() => proxy.close());
  return proxy;
};
const connectTo = async ({ url }: Server) => {
  const client = await connect({ servers: url });
  onTestFinished(() => client.close());
  return client;
};
const listen = ({ url }: Server, domain: string | null) => {
  const freshness = createFreshnessTracker({
    clock: systemClock,
    leaseMs: 1_000,
    rememberMs: 360_000,
    maxRemembered: 1_000,
  });
  const states: string[] = [];
  const listener = createListener({
    ...{ url, stream: STREAM, prefix: 'betterauth', mode: 'stream', domain, windowMs: 360_000, renewalIntervalMs: 250 },
    sink: freshness,
    clock: systemClock,
    observer: { event: () => {}, lag: () => {}, state: (state, detail) => states.push(`${state}: ${detail}`) },
  });
  onTestFinished(() => listener.stop());
  return { freshness, states };
};

/** A hub with JetStream, and a leaf node whose way to it goes through a proxy. */
const startLeaf = async (hubDomain: string, leafDomain: string | null) => {
  const port = await freePort();
  // A hub advertises its address to its leaf nodes, by which they would bypass the proxy.
  const proxy = await proxyTo(port);
  const hub = await start(
    true,
    `server_name: hub, leafnodes { listen: "127.0.0.1:${port}", advertise: "127.0.0.1:${proxy.port}" }
     jetstream { domain: ${hubDomain} }`,
  );
  const leaf = await start(
    leafDomain !== null,
    `server_name: leaf, leafnodes { reconnect: 1, remotes: [{ url: "nats://127.0.0.1:${proxy.port}" }] }
     ${leafDomain === null ? '' : `jetstream { domain: ${leafDomain} }`}`,
  );
  return { hub, leaf, proxy };
};
/** Live through the way, stale for what the stream acknowledges while the way is cut, live again by itself. */
const staleWhileCut = async (
  hub: Server,
  edge: Server,
  domain: string | null,
  proxy: Awaited<ReturnType<typeof startProxy>>,
): Promise<void> => {
  const client = await connectTo(hub);
  await (await client.jetstreamManager()).streams.add({ name: STREAM, subjects: ['betterauth.>'] });
  const publish = async () => (await client.jetstream().publish('betterauth.user.updated', '{"userId":"u"}')).seq;
  const { freshness, states } = listen(edge, domain);
  await until('a live subscription', () => freshness.isLive(), 30_000);
  const first = await publish();
  await until('the first event', () => freshness.revision().seq === first);
  const { epoch } = freshness.revision();

  proxy.setMode('refuse');
  proxy.cut();
  const second = await publish();
  await until('the lease to run out', () => !freshness.isLive());
  const tries = states.length;
  await until('three more tries', () => states.length > tries + 2, 30_000);
  expect(freshness.isLive()).toBe(false);
  expect(freshness.revision()).toEqual({ epoch, seq: first });

  proxy.setMode('pass');
  await until('a live subscription again', () => freshness.isLive(), 30_000);
  expect(freshness.revision()).toEqual({ epoch, seq: second });
};

it('a process at a leaf node without JetStream is stale while the leaf has lost its hub', {
  timeout: 60_000,
}, async () => {
  const { hub, leaf, proxy } = await startLeaf('hub', null);
  await staleWhileCut(hub, leaf, 'hub', proxy);
});

it('a process at a leaf node with its own JetStream follows the stream of the configured domain', {
  timeout: 60_000,
}, async () => {
  const { hub, leaf, proxy } = await startLeaf('hub', 'leaf');
  await staleWhileCut(hub, leaf, 'hub', proxy);
});

it('a process without a configured domain creates no stream in the domain of its leaf node, and names the setting', {
  timeout: 60_000,
}, async () => {
  const { leaf } = await startLeaf('hub', 'leaf');
  const { freshness, states } = listen(leaf, null);
  await until('two tries', () => states.length > 1);
  expect(new Set(states)).toEqual(new Set([expect.stringMatching(/^stale: .*"leaf".*set NATS_JETSTREAM_DOMAIN/)]));
  expect(freshness.isLive()).toBe(false);
  const manager: JetStreamManager = await (await connectTo(leaf)).jetstreamManager();
  await expect(manager.streams.info(STREAM)).rejects.toThrow('stream not found');
});

it('a process without a configured domain is stale at a leaf node whose hub has a domain', {
  timeout: 60_000,
}, async () => {
  const { hub, leaf } = await startLeaf('hub', null);
  await (await (await connectTo(hub)).jetstreamManager()).streams.add({ name: STREAM, subjects: ['betterauth.>'] });
  const { freshness, states } = listen(leaf, null);
  await until('two tries', () => states.length > 1);
  expect(new Set(states)).toEqual(new Set([expect.stringMatching(/^stale: JetStream does not answer/)]));
  expect(freshness.isLive()).toBe(false);
});
