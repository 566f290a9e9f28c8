import { writeFileSync } from 'node:fs';
import { expect, it, onTestFinished } from 'vitest';
import type { TlsConfig } from '../../../src/config/tls.ts';
import { createTlsFiles } from '../../../src/server/tls-files.ts';
import { createAuthority } from '../../../tools/network/certificates.ts';
import { testFolder } from '../../support/folder.ts';
import { until } from '../../support/until.ts';

const folder = testFolder();
const authority = createAuthority('authority');
const [first, second] = [authority.issue('first'), authority.issue('second')];

/** A store that has started with the first certificate, and its record. */
const started = (intervalMs: number) => {
  const files = { cert: folder.file('cert', first.cert), key: folder.file('key', first.key), clientCa: null };
  const used: TlsConfig[] = [];
  const reloads: boolean[] = [];
  const store = createTlsFiles({
    files,
    tls: { ...first, clientCa: null },
    use: (tls) => used.push(tls),
    onReload: ({ ok }) => reloads.push(ok),
    intervalMs,
  });
  onTestFinished(store.stop);
  store.start();
  return { store, files, used, reloads };
};

it('a certificate whose key follows later leaves the old one in force until both fit', async () => {
  const { files, used, reloads } = started(10);
  writeFileSync(files.cert, second.cert);
  await until('the half change is refused', () => reloads.length === 1);
  expect([reloads, used]).toEqual([[false], []]);
  writeFileSync(files.key, second.key);
  await until('the whole change is in effect', () => reloads.length === 2);
  expect(reloads).toEqual([false, true]);
  expect(used).toEqual([{ cert: second.cert, key: second.key, clientCa: null }]);
});

it('a reload reads all TLS files at once, and refuses a broken one', async () => {
  const { store, files, used, reloads } = started(60_000);
  writeFileSync(files.cert, second.cert);
  writeFileSync(files.key, second.key);
  await store.reload();
  expect([reloads, used.length]).toEqual([[true], 1]);
  writeFileSync(files.key, second.key.slice(0, 100));
  await store.reload();
  expect([reloads, used.length]).toEqual([[true, false], 1]);
});
