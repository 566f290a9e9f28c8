/**
 * Replication of Redis is asynchronous: a failover loses what the replica had not received, deletions among it. The entry that
 * was deleted is then back. It must not answer.
 */
import { expect, it, onTestFinished } from 'vitest';
import { parseRedisUrl } from '../../../src/config/redis-url.ts';
import { redisKey } from '../../../src/facts/cache-key.ts';
import { deleteChangedKeys } from '../../../src/facts/delete-changed-keys.ts';
import { createEntryMac, decodeEntry } from '../../../src/facts/entry.ts';
import { createRedisClient } from '../../../src/facts/redis-client.ts';
import { inOrder } from '../../../src/invalidation/sink.ts';
import { startProxy, type TcpProxy } from '../../../tools/network/proxy.ts';
import { CALLER } from '../../support/caller.ts';
import { createReplica, createTestClock, EPOCH, factsOf, KEY, roleOf } from '../../support/facts/harness.ts';
import { openRedis, startSentinels } from '../../support/facts/redis-deployments.ts';
import { until } from '../../support/until.ts';

it('after a failover that lost a deletion no process answers with the entry that came back', async () => {
  let replication: TcpProxy | null = null;
  const { primary, replica, url, named } = await startSentinels(async ({ port }) => {
    replication = await startProxy(port);
    return replication.port;
  });
  const { value } = parseRedisUrl(url);
  const clock = createTestClock();
  const name = redisKey(KEY);
  let inDatabase = 'owner';
  const refused: string[] = [];

  /** Another process: it has nothing in memory yet. */
  const startProcess = () => {
    const store = createRedisClient({
      ...{ url: value ?? '', timeoutMs: 1_000, pauseMs: 0, clock },
      ...{ onError: () => {}, onReady: () => {} },
    });
    onTestFinished(() => store.end());
    const { cache, freshness } = createReplica({
      ...{ clock, redis: store },
      read: async () => factsOf(inDatabase),
      onRefused: (reason) => refused.push(reason),
    });
    freshness.begin(EPOCH, 0, null, EPOCH);
    freshness.renewLease(clock.monotonic());
    const sink = inOrder(freshness, deleteChangedKeys(store));
    return { store, sink, freshness, read: async () => cache.read(KEY, false, CALLER) };
  };

  const one = startProcess();
  await until('Redis', () => one.store.available());
  expect((await one.read()).tier).toBe('database');
  const [before, after] = [openRedis(primary), openRedis(replica)];
  await until('the entry is replicated', async () => (await after.exists(name)) === 1);
  // The control: until the event, another process answers with this entry.
  const other = startProcess();
  await until('Redis', () => other.store.available());
  expect(await other.read()).toMatchObject({ tier: 'redis', facts: factsOf('owner') });

  (replication as TcpProxy | null)?.setMode('hold');
  inDatabase = 'guest';
  const event = { kind: 'pair', ...KEY, organizationId: KEY.organizationId ?? '' } as const;
  for (const { sink } of [one, other]) sink.apply(1, event, null);
  await until('the entry is deleted', async () => (await before.exists(name)) === 0);
  await primary.kill('SIGKILL');
  await (replication as TcpProxy | null)?.close();
  await named(replica);

  const back = await after.get(name);
  const entry = decodeEntry(createEntryMac(['a secret of tests']), name, back ?? '');
  expect(entry).toMatchObject({ facts: factsOf('owner'), revision: { seq: 0 } });
  const late = startProcess();
  late.sink.apply(1, event, null);
  await until('the new primary', () => [one, other, late].every(({ store }) => store.available()));
  // Whichever of them deleted the key again at its event, the entry is there when they read.
  await after.set(name, back ?? '');
  const answers = await Promise.all([one, other, late].map(({ read }) => read()));
  expect(answers.map(({ facts }) => roleOf(facts))).toEqual(['guest', 'guest', 'guest']);
  expect(refused).toEqual(['overtaken', 'overtaken', 'overtaken']);
});
