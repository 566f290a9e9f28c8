/** Networks of NATS servers, and what their links are good for. */
import { connect, type JetStreamManager } from 'nats';
import { expect, it, onTestFinished } from 'vitest';
import { type NatsServerPlan, startNatsNetwork } from '../../../tools/local-services/index.ts';
import { startProxy, type TcpProxy } from '../../../tools/network/proxy.ts';
import { until } from '../../support/until.ts';

const three = (cluster: string): NatsServerPlan[] => ['a', 'b', 'c'].map((name) => ({ name, cluster }));

const NETWORKS: readonly (readonly [how: string, plans: NatsServerPlan[], domain: string | null])[] = [
  ['routes', [...three('one'), { name: 'last', cluster: 'one', jetstream: false }], null],
  ['gateways', [...three('one'), { name: 'last', cluster: 'other', jetstream: false }], null],
  [
    'a leaf node',
    [
      { name: 'a', domain: 'hub' },
      { name: 'last', domain: 'leaf', leafOf: 'a' },
    ],
    'hub',
  ],
];

const managerAt = async (url: string, domain: string | null): Promise<JetStreamManager> => {
  const client = await connect({ servers: url });
  onTestFinished(() => client.close());
  return client.jetstreamManager({ checkAPI: false, timeout: 500, ...(domain === null ? {} : { domain }) });
};
const done = (work: Promise<unknown>): Promise<boolean> =>
  work.then(
    () => true,
    () => false,
  );

it.each(NETWORKS)(
  'a stream on other servers is reached through %s, and only over the links',
  {
    timeout: 60_000,
  },
  async (_, plans, domain) => {
    const links: { readonly ends: readonly string[]; readonly proxy: TcpProxy }[] = [];
    const servers = await startNatsNetwork(plans, async ({ from, to, port }) => {
      const proxy = await startProxy(port);
      onTestFinished(() => proxy.close());
      links.push({ ends: [from, to], proxy });
      return proxy.port;
    });
    for (const server of servers) onTestFinished(() => server.stop());
    const [first, last] = await Promise.all([
      managerAt(servers[0]?.url ?? '', null),
      managerAt(servers.at(-1)?.url ?? '', domain),
    ]);
    const stream = { name: 'EVENTS', subjects: ['events.>'], num_replicas: plans.length > 2 ? 3 : 1 };
    await until('a stream', () => done(first.streams.add(stream)), 30_000);
    await until('a way to it', () => done(last.streams.info('EVENTS')), 30_000);

    const ofLast = links.filter(({ ends }) => ends.includes('last'));
    for (const { proxy } of ofLast) {
      proxy.setMode('refuse');
      proxy.cut();
    }
    expect(await done(last.streams.info('EVENTS'))).toBe(false);
    expect(await done(first.streams.info('EVENTS'))).toBe(true);
    for (const { proxy } of ofLast) proxy.setMode('pass');
    await until('a way to it again', () => done(last.streams.info('EVENTS')), 30_000);
  },
);
