/** Files that are read again by SIGHUP, in one process and in two workers. */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:tls';
import { expect, it, onTestFinished } from 'vitest';
import { createAuthority } from '../../tools/network/certificates.ts';
import { startAssentUntil } from '../support/assent.ts';
import { testDatabase } from '../support/database.ts';
import { testFolder } from '../support/folder.ts';
import { settingsFor } from '../support/settings.ts';
import { applicationTemplate } from '../support/template.ts';
import { until } from '../support/until.ts';

const database = await testDatabase(await applicationTemplate('plural'));
const folder = testFolder();
const authority = createAuthority('authority');

/** The names of the certificates that several connections at once are shown. */
const shown = async (address: string): Promise<readonly string[]> => {
  const port = Number(address.split(':').at(-1));
  const one = async (): Promise<string> => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2'] });
    await once(socket, 'secureConnect');
    const { fingerprint256 } = socket.getPeerCertificate();
    socket.destroy();
    return fingerprint256;
  };
  return Promise.all([one(), one(), one(), one()]);
};

it.each([1, 2])('SIGHUP reads the policy, the callers and the TLS files of %s processes again', async (workers) => {
  const [first, second] = [authority.issue('first'), authority.issue('second')];
  const policy = folder.file('policy.yaml', 'version: 1');
  const token = `tokens: [{ sha256: "${'ab'.repeat(32)}" }]`;
  const callers = folder.file('callers.yaml', `callers: [{ name: orders, ${token} }]`);
  const [cert, key] = [folder.file('cert.pem', first.cert), folder.file('key.pem', first.key)];
  const assent = await startAssentUntil(onTestFinished, {
    ...settingsFor(database.url),
    ASSENT_POLICY: policy,
    ASSENT_CALLERS: callers,
    ASSENT_TLS_CERT: cert,
    ASSENT_TLS_KEY: key,
    ASSENT_WORKERS: String(workers),
  });
  const logged = (event: string): number => assent.logs().filter((line) => line.event === event).length;
  const [before] = await shown(assent.grpcAddress);
  assent.kill('SIGUSR2');
  await assent.logged(({ event }) => event === 'process.signal_ignored');
  writeFileSync(cert, second.cert);
  writeFileSync(key, second.key);
  assent.kill('SIGHUP');
  for (const event of ['policy.reloaded', 'callers.reloaded', 'tls.reloaded']) {
    await until(event, () => logged(event) >= workers);
  }
  const after = await shown(assent.grpcAddress);
  expect(after).not.toContain(before);

  writeFileSync(key, 'broken');
  assent.kill('SIGHUP');
  await until('the broken key is refused', () => logged('tls.refused') >= workers);
  expect(await shown(assent.grpcAddress)).toEqual(after);
  expect(await assent.stop()).toEqual({ code: 0, signal: null });
});
