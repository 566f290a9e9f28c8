/** Redis over TLS in each of its forms. The certificates are verified, those of sentinels and of servers that others name, too. */

import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { parseRedisUrl } from '../../../src/config/redis-url.ts';
import { createRedisClient } from '../../../src/facts/redis-client.ts';
import { freePort, type Server, startRedis, startRedisSentinel } from '../../../tools/local-services/index.ts';
import { createAuthority } from '../../../tools/network/certificates.ts';
import { testFolder } from '../../support/folder.ts';
import { until } from '../../support/until.ts';

const folder = testFolder();
const trusted = createAuthority('trusted');
const stranger = createAuthority('stranger');

// As NODE_EXTRA_CA_CERTS, which Node reads at its start.
const before = getCACertificates('default');
beforeAll(() => setDefaultCACertificates([...before, trusted.cert]));
afterAll(() => setDefaultCACertificates(before));

/** The options of a server that speaks TLS on another port, too, with a certificate of this authority. */
const tlsOf = async (authority: typeof trusted) => {
  const { cert, key } = authority.issue('redis');
  const port = await freePort();
  const file = (name: string, text: string): string => folder.file(`${port}-${name}`, text);
  const options: readonly (readonly [string, string])[] = [
    ['tls-port', String(port)],
    ['tls-cert-file', file('cert', cert)],
    ['tls-key-file', file('key', key)],
    ['tls-ca-cert-file', file('ca', authority.cert)],
    ['tls-auth-clients', 'no'],
  ];
  return { port, options };
};

const owned = async (starting: Promise<Server>): Promise<Server> => {
  const server = await starting;
  onTestFinished(() => server.stop());
  return server;
};

const serverOver = async (authority: typeof trusted, more: readonly string[] = []) => {
  const { port, options } = await tlsOf(authority);
  const args = [...options.flatMap(([name, value]) => [`--${name}`, value]), ...more];
  return { plain: await owned(startRedis({ own: true, args })), port };
};

const FORMS: readonly (readonly [string, (authority: typeof trusted) => Promise<string>])[] = [
  ['rediss://', async (authority) => `rediss://127.0.0.1:${(await serverOver(authority)).port}`],
  [
    'rediss-sentinel://',
    async (authority) => {
      const { port } = await serverOver(authority);
      const own = await tlsOf(authority);
      const config = [
        ...own.options.map((option) => option.join(' ')),
        ...['tls-replication yes', `sentinel monitor facts 127.0.0.1 ${port} 1`],
      ];
      await owned(startRedisSentinel(`${config.join('\n')}\n`));
      return `rediss-sentinel://127.0.0.1:${own.port}/facts`;
    },
  ],
  [
    'rediss-cluster://',
    async (authority) => {
      const cluster = [
        '--cluster-enabled',
        'yes',
        '--cluster-announce-ip',
        '127.0.0.1',
        '--tls-cluster',
        'yes',
        '--cluster-port',
        String(await freePort()),
      ];
      const { plain, port } = await serverOver(authority, cluster);
      const admin = new Redis({ host: '127.0.0.1', port: plain.port });
      onTestFinished(() => admin.disconnect());
      await admin.call('CLUSTER', 'ADDSLOTSRANGE', 0, 16_383);
      await until('the cluster', async () => String(await admin.call('CLUSTER', 'INFO')).includes('cluster_state:ok'));
      return `rediss-cluster://127.0.0.1:${port}`;
    },
  ],
];

const open = (url: string) => {
  const { value, problems } = parseRedisUrl(url);
  expect(problems).toEqual([]);
  const failures: string[] = [];
  const store = createRedisClient({
    url: value ?? '',
    ...{ timeoutMs: 200, pauseMs: 500, clock: systemClock, onReady: () => {} },
    onError: (_, error) => failures.push(String(error)),
  });
  onTestFinished(() => store.end());
  return { store, failures };
};

it.each(FORMS)('%s stores and reads over TLS', async (_, start) => {
  const { store } = open(await start(trusted));
  await until('the entry', async () => {
    store.set('perm:u:o', 'entry', 60_000);
    return (await store.get('perm:u:o')) === 'entry';
  });
});

it.each(FORMS)('%s refuses a certificate of an unknown authority', async (_, start) => {
  const { store, failures } = open(await start(stranger));
  await until('the refusal', () => failures.length > 0);
  // ioredis keeps the reason to itself where it looks for the server.
  expect(failures.join('\n')).toMatch(/certificate|Connection is closed/i);
  expect(store.available()).toBe(false);
  store.set('perm:u:o', 'entry', 60_000);
  expect(await store.get('perm:u:o').catch(() => null)).toBeNull();
});
