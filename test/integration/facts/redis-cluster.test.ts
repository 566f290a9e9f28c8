/** Redis Cluster: each key goes to the server of its slot, and a server that is away costs its own slots only. */
import { type AddressInfo, connect, createServer } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { parseRedisUrl } from '../../../src/config/redis-url.ts';
import { redisKey } from '../../../src/facts/cache-key.ts';
import { createRedisClient, type RedisClient } from '../../../src/facts/redis-client.ts';
import { slotOf } from '../../../src/facts/redis-slot.ts';
import { type ClusterDeployment, openRedis, startCluster } from '../../support/facts/redis-deployments.ts';
import { until } from '../../support/until.ts';

const open = (url: string) => {
  const { value, problems } = parseRedisUrl(url);
  expect(problems).toEqual([]);
  const failures: string[] = [];
  const store = createRedisClient({
    url: value ?? '',
    ...{ timeoutMs: 50, pauseMs: 500, clock: systemClock, onReady: () => {} },
    onError: (operation, error) => failures.push(`${operation}: ${String(error)}`),
  });
  onTestFinished(() => store.end());
  return { store, failures };
};
const stored = (store: RedisClient, key: string, value: string) =>
  until(
    `${key} is stored`,
    async () => {
      store.set(key, value, 60_000);
      return (await store.get(key)) === value;
    },
    20_000,
  );
/** A key of each primary, in order. */
const keysOf = ({ primaries, primaryOf }: ClusterDeployment): readonly string[] =>
  primaries.map((primary) => {
    for (let user = 0; ; user += 1) {
      const key = `perm:u${user}:o`;
      if (primaryOf(slotOf(key)) === primary) return key;
    }
  });

it('every key is read, stored and deleted at the server of its slot, by one known server', async () => {
  const cluster = await startCluster();
  const { store } = open(cluster.url.replace(/,.*/, ''));
  const keys = [...keysOf(cluster), redisKey({ userId: '{u}', organizationId: '{o:}' }), 'perm:ü:o'];
  for (const key of keys) await stored(store, key, `of ${key}`);
  for (const key of keys) {
    const direct = openRedis(cluster.primaryOf(slotOf(key)));
    expect(await direct.get(key)).toBe(`of ${key}`);
    expect(await direct.call('CLUSTER', 'KEYSLOT', key)).toBe(slotOf(key));
    store.delete(key);
    await until(`${key} is gone`, async () => (await direct.exists(key)) === 0);
  }
});

it('while a primary is away the keys of the others are answered, and its own once a replica took its place', async () => {
  const cluster = await startCluster();
  const { store } = open(cluster.url);
  const [lost = '', ...others] = keysOf(cluster);
  for (const key of [lost, ...others]) await stored(store, key, `of ${key}`);
  const [primary] = cluster.primaries;
  await primary?.kill('SIGKILL');
  for (const key of others) expect(await store.get(key)).toBe(`of ${key}`);
  expect(await store.get(lost)).toBeNull();
  await stored(store, lost, 'after');
  expect(await openRedis(cluster.replica).get(lost)).toBe('after');
});

it('a primary that hangs is paused alone', async () => {
  const cluster = await startCluster();
  const { store, failures } = open(cluster.url);
  const [slow = '', ...others] = keysOf(cluster);
  for (const key of [slow, ...others]) await stored(store, key, `of ${key}`);
  const [primary] = cluster.primaries;
  await primary?.kill('SIGSTOP');
  onTestFinished(() => primary?.kill('SIGCONT'));
  expect(await store.get(slow)).toBeNull();
  expect(failures.at(-1)).toMatch(/did not answer in time/);
  expect(store.available()).toBe(true);
  for (const key of others) expect(await store.get(key)).toBe(`of ${key}`);
});

it('a slot that is moved costs no key: ASK and MOVED are followed', async () => {
  const cluster = await startCluster();
  const { store } = open(cluster.url);
  const [, key = ''] = keysOf(cluster);
  const [, from, to] = cluster.primaries;
  if (from === undefined || to === undefined) throw new Error('three primaries');
  await stored(store, key, 'before');
  await stored(store, keysOf(cluster)[2] ?? '', 'connected');
  const [source, target] = [openRedis(from), openRedis(to)];
  const slot = slotOf(key);
  const [sourceId, targetId] = await Promise.all([source, target].map((each) => each.call('CLUSTER', 'MYID')));
  await target.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', String(sourceId));
  await source.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', String(targetId));
  expect(await store.get(key)).toBe('before');
  await source.call('MIGRATE', '127.0.0.1', to.port, key, 0, 5_000);
  // The key is at the target, and the slot is not yet: ASK.
  await until('the moved key', async () => (await store.get(key)) === 'before');
  store.delete(key);
  await until('the moved key is gone', async () => {
    await target.call('ASKING');
    return (await target.exists(key)) === 0;
  });
  await stored(store, key, 'meanwhile');
  await target.call('CLUSTER', 'SETSLOT', slot, 'NODE', String(targetId));
  await source.call('CLUSTER', 'SETSLOT', slot, 'NODE', String(targetId));
  await stored(store, key, 'after');
  expect(await target.get(key)).toBe('after');
});

it('a slot that moves to a server that hangs and then dies costs its keys only', async () => {
  const cluster = await startCluster();
  const { store } = open(cluster.url);
  const [, key = '', other = ''] = keysOf(cluster);
  const [, from, to] = cluster.primaries;
  if (from === undefined || to === undefined) throw new Error('three primaries');
  for (const each of [key, other]) await stored(store, each, 'value');
  const [source, target] = [openRedis(from), openRedis(to)];
  const [sourceId, targetId] = await Promise.all([source, target].map((each) => each.call('CLUSTER', 'MYID')));
  await target.call('CLUSTER', 'SETSLOT', slotOf(key), 'IMPORTING', String(sourceId));
  await source.call('CLUSTER', 'SETSLOT', slotOf(key), 'MIGRATING', String(targetId));
  await source.unlink(key);
  // ASKING and the command after it are on their way when the connection breaks.
  await to.kill('SIGSTOP');
  onTestFinished(() => to.kill('SIGCONT'));
  const pending = store.get(key);
  await to.kill('SIGKILL');
  expect(await pending).toBeNull();
  store.delete(key);
  expect(await store.get(key)).toBeNull();
  const [first = ''] = keysOf(cluster);
  await stored(store, first, 'value');
});

it('a cluster that comes back at other addresses is found by its name', async () => {
  const [before, after] = await Promise.all([startCluster(), startCluster()]);
  let first = before.primaries[0]?.port ?? 0;
  const name = createServer((client) => {
    const server = connect(first, '127.0.0.1');
    client.pipe(server).on('error', () => client.destroy());
    server.pipe(client).on('error', () => server.destroy());
    onTestFinished(() => void client.destroy());
  });
  await new Promise<void>((resolve) => name.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void name.close());
  const { store } = open(`redis-cluster://127.0.0.1:${(name.address() as AddressInfo).port}`);
  await stored(store, 'perm:u:o', 'before');
  first = after.primaries[0]?.port ?? 0;
  await Promise.all([...before.primaries, before.replica].map((server) => server.kill('SIGKILL')));
  await stored(store, 'perm:u:o', 'after');
});

it('a user with the documented permissions is enough', async () => {
  const cluster = await startCluster();
  const rules = ['on', '>secret', 'resetkeys', '~perm:*', '-@all'];
  const commands = [
    '+getrange',
    '+set',
    '+unlink',
    '+info',
    '+asking',
    '+readonly',
    '+readwrite',
    '+cluster|slots',
    '+client|setname',
  ];
  for (const server of [...cluster.primaries, cluster.replica]) {
    await openRedis(server).call('ACL', 'SETUSER', 'assent', ...rules, ...commands);
  }
  const { store, failures } = open(cluster.url.replace('://', '://assent:secret@'));
  for (const key of keysOf(cluster)) {
    await stored(store, key, 'value');
    store.delete(key);
    const direct = openRedis(cluster.primaryOf(slotOf(key)));
    await until(`${key} is gone`, async () => (await direct.exists(key)) === 0);
  }
  expect(failures.filter((failure) => /NOPERM/.test(failure))).toEqual([]);
  for (const server of cluster.primaries) {
    const denied = (await openRedis(server).call('ACL', 'LOG')) as readonly (readonly unknown[])[];
    expect(denied.map((fields) => fields[7])).toEqual([]);
  }
});

it('the client leaves no connection behind when it ends', async () => {
  const cluster = await startCluster();
  const { store } = open(cluster.url);
  for (const key of keysOf(cluster)) await stored(store, key, 'value');
  store.end();
  for (const server of cluster.primaries) {
    const direct = openRedis(server);
    await until('only the test is connected', async () => {
      const clients = String(await direct.client('LIST'));
      return (
        clients
          .trim()
          .split('\n')
          .filter((line) => !/flags=[MS]/.test(line)).length <= 2
      );
    });
  }
});
