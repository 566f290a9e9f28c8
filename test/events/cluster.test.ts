/** A stream on three servers, whose leader is cut off from the others and goes on answering. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type StreamInfo } from 'nats';
import { expect, it, onTestFinished } from 'vitest';
import { createPositions } from '../../src/cache/positions.ts';
import { systemClock } from '../../src/clock.ts';
import { createListener } from '../../src/events/listener.ts';
import { leaderDoubtMs } from '../../src/events/stream.ts';
import { startProxy } from '../support/proxy.ts';
import { startNats } from '../support/services/index.ts';
import { freePort } from '../support/services/ports.ts';
import { until } from '../support/until.ts';

const STREAM = 'EVENTS';
const SERVERS = [0, 1, 2];

/** Three servers, all of whose ways to each other can be cut without a word. */
const startCluster = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'assent-test-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const ports = await Promise.all(SERVERS.map(() => freePort()));
  // Servers tell each other of this address, and a way made by hearsay would be nobody's to cut.
  const nowhere = await freePort();
  const ways: { readonly ends: readonly number[]; readonly proxy: Awaited<ReturnType<typeof startProxy>> }[] = [];
  const way = async (from: number, to: number): Promise<string> => {
    const proxy = await startProxy(ports[to] ?? 0);
    onTestFinished(() => proxy.close());
    ways.push({ ends: [from, to], proxy });
    return `127.0.0.1:${proxy.port}`;
  };
  const servers = await Promise.all(
    SERVERS.map(async (server) => {
      const routes = await Promise.all(SERVERS.filter((to) => to !== server).map((to) => way(server, to)));
      const file = join(folder, `${server}.conf`);
      await writeFile(
        file,
        `server_name: "server-${server}"
         cluster {
           name: cluster, listen: "127.0.0.1:${ports[server]}", no_advertise: true,
           advertise: "127.0.0.1:${nowhere}", routes: [${routes.map((to) => `"nats://${to}"`).join(', ')}]
         }`,
      );
      const started = await startNats({ own: true, args: ['-c', file] });
      onTestFinished(() => started.stop());
      return started;
    }),
  );
  return {
    urls: servers.map(({ url }) => url),
    isolate: (server: number): void => {
      for (const { ends, proxy } of ways) if (ends.includes(server)) proxy.setMode('stall');
    },
  };
};
const connectTo = async (url: string) => {
  const client = await connect({ servers: url });
  onTestFinished(() => client.close());
  return client;
};

it('believes a leader no longer than a majority does', { timeout: 60_000 }, async () => {
  const cluster = await startCluster();
  const [url = ''] = cluster.urls;
  const client = await connectTo(url);
  const manager = await client.jetstreamManager({ checkAPI: false });
  await until(
    'a stream on three servers',
    () =>
      manager.streams.add({ name: STREAM, subjects: ['betterauth.>'], num_replicas: 3 }).then(
        () => true,
        () => false,
      ),
    30_000,
  );
  let leader = -1;
  await until('replicas that follow', async () => {
    const { cluster: group } = await manager.streams.info(STREAM);
    leader = Number(group?.leader?.at(-1));
    return group?.replicas?.every(({ current }) => current) === true;
  });
  const positions = createPositions({ clock: systemClock, leaseMs: 2_000, rememberMs: 360_000, maxRemembered: 1_000 });
  const listener = createListener({
    ...{
      url: cluster.urls[leader] ?? '',
      stream: STREAM,
      prefix: 'betterauth',
      windowMs: 360_000,
      proofIntervalMs: 500,
    },
    sink: positions,
    clock: systemClock,
    observer: { event: () => {}, lag: () => {}, state: () => {} },
  });
  onTestFinished(() => listener.stop());
  await until('hearing', () => positions.hearing());
  const publisher = await connectTo(cluster.urls.find((_, server) => server !== leader) ?? '');
  const publish = () => publisher.jetstream().publish('betterauth.user.updated', '{"userId":"u"}', { timeout: 500 });
  await until('an event', async () => (await publish()).seq <= positions.stamp().seq);

  cluster.isolate(leader);
  const before = positions.stamp().seq;
  await until(
    'an event that the new leader acknowledges',
    () =>
      publish().then(
        ({ seq }) => seq > before,
        () => false,
      ),
    30_000,
  );
  // It was made after the old one had been silent for longer than the lease.
  expect(positions.hearing()).toBe(false);
  expect(positions.stamp().seq).toBe(before);
});

it('knows when a majority was last heard', () => {
  const doubt = (...replicas: readonly [active: number, current?: boolean, offline?: boolean][]) =>
    leaderDoubtMs({
      cluster: {
        replicas: replicas.map(([active, current = true, offline = false]) => ({
          ...{ name: '', lag: 0, active: active * 1_000_000, current, offline },
        })),
      },
    } as Pick<StreamInfo, 'cluster'>);
  expect(leaderDoubtMs({} as Pick<StreamInfo, 'cluster'>)).toBe(0);
  expect(doubt()).toBe(0);
  // Of three one other is needed, of five two.
  expect(doubt([900], [300])).toBe(300);
  expect(doubt([40], [900], [10], [700])).toBe(40);
  expect(doubt([0, true], [900])).toBe(0);
  expect(doubt([0, false], [900])).toBe(900);
  expect(doubt([5, true, true], [5, true, true])).toBe(Number.POSITIVE_INFINITY);
});
