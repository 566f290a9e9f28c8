/** What is said to whom when connecting to NATS. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { connect } from 'nats';
import { expect, it, onTestFinished } from 'vitest';
import { serversOf } from '../../src/events/servers.ts';
import { createAuthority } from '../support/certificates.ts';
import { startNats } from '../support/services/index.ts';

const start = async (...args: readonly string[]): Promise<string> => {
  const server = await startNats({ own: true, args });
  onTestFinished(() => server.stop());
  return server.url;
};
const outcome = async (url: string): Promise<string> => {
  try {
    const connection = await connect({ ...serversOf(url), reconnect: false, timeout: 2_000 });
    await connection.close();
    return 'connected';
  } catch (error) {
    return String(error);
  }
};

it('reads credentials and several servers', () => {
  expect(serversOf('nats://a:4222, nats://b')).toEqual({ servers: ['nats://a:4222', 'nats://b'] });
  expect(serversOf('nats://us%40er:p%3Aw@a,nats://b')).toEqual({
    ...{ servers: ['nats://a', 'nats://b'], user: 'us@er', pass: 'p:w' },
  });
  expect(serversOf('tls://token@a')).toEqual({ servers: ['tls://a'], token: 'token', tls: {} });
  expect(serversOf('nats://a,tls://u:p@b').tls).toEqual({});
});

it('says nothing to a server without TLS where tls:// is asked for', async () => {
  const url = await start();
  expect(await outcome(url)).toBe('connected');
  expect(await outcome(url.replace('nats:', 'tls:'))).toMatch(/tls/i);
});

it('takes only a certificate that it trusts', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'assent-test-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const authority = createAuthority('authority');
  const { cert, key } = authority.issue('nats');
  const [certFile, keyFile] = [join(folder, 'cert'), join(folder, 'key')];
  await writeFile(certFile, cert);
  await writeFile(keyFile, key);
  const url = (await start('--tls', '--tlscert', certFile, '--tlskey', keyFile)).replace('nats:', 'tls:');
  expect(await outcome(url)).toMatch(/certificate/);
  // As NODE_EXTRA_CA_CERTS does for a process.
  const trusted = getCACertificates('default');
  setDefaultCACertificates([...trusted, authority.cert]);
  onTestFinished(() => setDefaultCACertificates(trusted));
  expect(await outcome(url)).toBe('connected');
});
