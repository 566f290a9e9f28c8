/** How a program authenticates to NATS: credentials files and client certificates, which are renewed while it runs. */
import { writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { type NatsTarget, openPublishConnection } from '@assent/event-contract';
import { expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { createFreshnessTracker } from '../../../src/facts/freshness.ts';
import type { ListenerOptions } from '../../../src/invalidation/apply-event.ts';
import { createListener } from '../../../src/invalidation/listener.ts';
import { type Server, startNats } from '../../../tools/local-services/index.ts';
import { createAuthority } from '../../../tools/network/certificates.ts';
import { startProxy, through } from '../../../tools/network/proxy.ts';
import { testFolder } from '../../support/folder.ts';
import { createOperator } from '../../support/nats-operator.ts';
import { until } from '../../support/until.ts';

const STREAM = 'EVENTS';
const { file } = testFolder();

const startServer = async (config: string, args: readonly string[] = []): Promise<Server> => {
  const server = await startNats({ own: true, config, args });
  onTestFinished(() => server.stop());
  return server;
};
const listen = (how: Pick<ListenerOptions, 'url' | 'credentials' | 'tls' | 'requestTimeoutMs'>) => {
  const freshness = createFreshnessTracker({
    clock: systemClock,
    leaseMs: 600,
    rememberMs: 360_000,
    maxRemembered: 1_000,
  });
  const states: string[] = [];
  const listener = createListener({
    ...how,
    ...{ stream: STREAM, prefix: 'betterauth', mode: 'stream', domain: null },
    ...{ windowMs: 360_000, renewalIntervalMs: 100 },
    sink: freshness,
    clock: systemClock,
    observer: { event: () => {}, lag: () => {}, state: (state, detail) => states.push(`${state}: ${detail}`) },
  });
  onTestFinished(() => listener.stop());
  return {
    states,
    live: () => until('a lease', () => freshness.isLive()),
    staleFor: (reason: RegExp) =>
      until(`stale for ${reason}`, () => states.some((state) => state.startsWith('stale') && reason.test(state))),
  };
};
/** Publishes one event and closes the connection. */
const publish = async (how: NatsTarget): Promise<number | undefined> => {
  const connection = await openPublishConnection({
    ...how,
    ...{ stream: STREAM, prefix: 'betterauth', mode: 'stream', domain: null },
    ...{ name: 'test', maxAgeMs: 360_000, ackTimeoutMs: 5_000, background: false },
  });
  try {
    return (await connection.publish({ id: '1', subject: 'betterauth.resync', payload: '{}' }))?.sequence;
  } finally {
    await connection.close();
  }
};

it('a subscription and a publisher authenticate by a credentials file, which is read again for each connection', async () => {
  const operator = createOperator();
  const server = await startServer(operator.config);
  const proxy = await startProxy(server.port);
  onTestFinished(() => proxy.close());
  const expired = operator.credentials({ expires: Math.floor(Date.now() / 1_000) - 60 });
  const credentials = file('user.creds', expired);
  const { states, live, staleFor } = listen({ url: through(server.url, proxy), credentials });
  await staleFor(/AUTHORIZATION_VIOLATION|Authorization Violation/i);
  await expect(publish({ url: server.url, credentials })).rejects.toThrow(/authorization/i);

  writeFileSync(credentials, operator.credentials());
  await live();
  expect(await publish({ url: server.url, credentials })).toBe(1);

  writeFileSync(credentials, expired.replaceAll(/(?<=^SU).*/gm, 'NOTASEED'));
  proxy.cut();
  await staleFor(/the credentials file of NATS has no JWT with the seed of a user/);
  // As an editor saves it, and Windows ends its lines.
  writeFileSync(credentials, operator.credentials().trim().replaceAll('\n', '\r\n'));
  await live();
  expect(states.filter((state) => /NOTASEED|eyJ/.test(state))).toEqual([]);
});

it('a process without its credentials file is stale, and the reason has no path', async () => {
  const server = await startServer(createOperator().config);
  const { states, staleFor } = listen({ url: server.url, credentials: '/nowhere/user.creds' });
  await staleFor(/the credentials file of NATS cannot be read \(ENOENT\)/);
  expect(states.filter((state) => state.includes('nowhere'))).toEqual([]);
});

/** A server that takes only clients with a certificate of `clients`. */
const startVerifying = async () => {
  const [servers, clients] = [createAuthority('servers'), createAuthority('clients')];
  const own = servers.issue('nats');
  const tls = `tls { cert_file: "${file('server.pem', own.cert)}", key_file: "${file('server.key', own.key)}", ca_file: "${file('clients.pem', clients.cert)}", verify: true, timeout: 5 }`;
  const server = await startServer(`${tls}\n`);
  const issued = clients.issue('assent');
  return {
    server,
    other: servers.issue('assent'),
    files: {
      cert: file('client.pem', issued.cert),
      key: file('client.key', issued.key),
      ca: file('servers.pem', servers.cert),
    },
  };
};

it('a subscription and a publisher show a client certificate to a server that verifies them', async () => {
  const { server, files } = await startVerifying();
  const { live } = listen({ url: server.url, tls: files });
  await live();
  expect(await publish({ url: server.url, tls: files })).toBe(1);
});

it('a process without a client certificate, or with one of another authority, is stale', async () => {
  const { server, files, other } = await startVerifying();
  const without = listen({ url: server.url, tls: { ...files, cert: null, key: null } });
  const foreign = { ...files, cert: file('other.pem', other.cert), key: file('other.key', other.key) };
  const stranger = listen({ url: server.url, tls: foreign });
  await Promise.all([without.staleFor(/./), stranger.staleFor(/./)]);
  await expect(publish({ url: server.url, tls: foreign })).rejects.toThrow();
  expect([...without.states, ...stranger.states].filter((state) => state.startsWith('live'))).toEqual([]);
});

it('a server whose certificate is not of the given authorities is refused', async () => {
  const { server, files } = await startVerifying();
  const { staleFor } = listen({
    url: server.url,
    tls: { ...files, ca: file('ca.pem', createAuthority('other').cert) },
  });
  await staleFor(/certificate/);
});

it('a server without TLS is refused where a certificate or an authority is set', async () => {
  const server = await startServer('');
  const ca = file('some.pem', createAuthority('some').cert);
  const { states, staleFor } = listen({ url: server.url, tls: { cert: null, key: null, ca } });
  await staleFor(/./);
  expect(states.filter((state) => state.startsWith('live'))).toEqual([]);
});

it('a connection attempt to a server that says nothing is given up after the time that is set', async () => {
  const silent = createServer((socket) => void socket.on('error', () => {}));
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void silent.close());
  const url = `nats://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const givenUp = (connectTimeoutMs: number) => publish({ url, connectTimeoutMs }).catch(() => connectTimeoutMs);
  expect(await Promise.race([givenUp(1_500), givenUp(50)])).toBe(50);
});

it('a session whose server falls silent ends after the time that is set', async () => {
  const server = await startServer('');
  const proxy = await startProxy(server.port);
  onTestFinished(() => proxy.close());
  const url = through(server.url, proxy);
  const [quick, patient] = [listen({ url, requestTimeoutMs: 50 }), listen({ url, requestTimeoutMs: 60_000 })];
  await Promise.all([quick.live(), patient.live()]);
  proxy.setMode('stall');
  await quick.staleFor(/NATS did not answer in time/);
  expect(patient.states.filter((state) => state.startsWith('stale'))).toEqual([]);
});
