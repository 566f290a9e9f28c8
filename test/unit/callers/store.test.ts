import { rmSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parseCallers } from '../../../src/callers/file.ts';
import { createCallersStore } from '../../../src/callers/store.ts';
import { sha256 } from '../../support/callers.ts';
import { testFolder } from '../../support/folder.ts';

const { file } = testFolder();
const PLACE = { hasClientCertificates: false, workers: 1 };
const NOW = Date.parse('2027-01-01T00:00:00Z');
const text = (...lines: readonly string[]): string => `callers:\n${lines.map((line) => `  - ${line}\n`).join('')}`;
const caller = (name: string, more = ''): string => `{ name: ${name}, tokens: [{ sha256: ${sha256(name)}${more} }] }`;

const open = (name: string, first: string) => {
  const path = file(name, first);
  const reloads: unknown[] = [];
  const expired: string[] = [];
  let now = NOW;
  const { value } = parseCallers(first, PLACE);
  const store = createCallersStore({
    file: { path, text: first, entries: value, place: PLACE },
    entries: value,
    workers: 1,
    now: () => now,
    onReload: (reload) => reloads.push(reload),
    expiry: { onExpired: (one) => expired.push(one), onExpiring: (one) => expired.push(`${one} soon`) },
    // Only the test looks.
    intervalMs: 1e9,
  });
  store.start();
  const write = async (changed: string): Promise<void> => {
    writeFileSync(path, changed);
    // Two looks with the same text.
    await store.look();
    await store.look();
  };
  const pass = (ms: number): void => {
    now += ms;
    store.review();
  };
  return { path, store, reloads, expired, write, pass };
};
const nameOf = (store: ReturnType<typeof open>['store'], token: string) =>
  store.current().byDigest(sha256(token))?.caller.name;

it('a changed file of callers takes effect, and a bad one leaves the callers in force', async () => {
  const { store, reloads, write } = open('changed', text(caller('orders')));
  expect([nameOf(store, 'orders'), nameOf(store, 'billing')]).toEqual(['orders', undefined]);
  await write(text(caller('billing')));
  expect([nameOf(store, 'orders'), nameOf(store, 'billing')]).toEqual([undefined, 'billing']);
  await write(text(caller('orders'), 'nothing'));
  expect([nameOf(store, 'orders'), nameOf(store, 'billing')]).toEqual([undefined, 'billing']);
  await write(text(caller('orders')));
  expect([nameOf(store, 'orders'), nameOf(store, 'billing')]).toEqual(['orders', undefined]);
  expect(reloads).toEqual([
    { ok: true, problems: [] },
    { ok: false, problems: ['line 3, column 5: callers[1] must be a mapping.'] },
    { ok: true, problems: [] },
  ]);
  store.stop();
});

it('a file of callers that is gone leaves the callers in force, and is reported once', async () => {
  const { path, store, reloads } = open('gone', text(caller('orders')));
  rmSync(path);
  for (let look = 0; look < 30; look += 1) await store.look();
  expect(nameOf(store, 'orders')).toBe('orders');
  expect(reloads).toEqual([{ ok: false, problems: [`${path}: cannot be read (ENOENT)`] }]);
  store.stop();
});

it('each token that has expired is reported at the start and at each reload', async () => {
  const old = caller('old', ', expires: 2027-01-01');
  const { store, expired, write } = open('expired', text(old, caller('new', ', expires: 2027-01-02')));
  expect(expired).toEqual(['new soon', 'old']);
  await write(text(old));
  expect(expired).toEqual(['new soon', 'old', 'old']);
  store.stop();
});

it('a reload leaves calls under way and the rate of a caller that stays as they are', async () => {
  const limited = (rate: number) => text(caller('orders').replace(' }] }', ` }], rate: ${rate}, inFlight: 1 }`));
  const { store, write } = open('limits', limited(1));
  const limits = () => {
    const found = store.current().byDigest(sha256('orders'))?.caller.limits;
    if (found === undefined) throw new Error('unknown');
    return found;
  };
  limits().begin();
  expect(limits().take(0)).toBe(0);
  await write(limited(2));
  expect(limits().hasRoom()).toBe(false);
  expect(limits().take(0)).toBe(500);
  expect(limits().take(500)).toBe(0);
  limits().end();
  expect(limits().hasRoom()).toBe(true);
  store.stop();
});

it('a token that expires while the service runs is reported once, at its moment', async () => {
  const { store, expired, pass } = open('expires', text(caller('orders', ', expires: 2027-02-01')));
  const days = 31 * 24 * 3_600_000;
  pass(days - 1);
  expect(expired.splice(0)).not.toContain('orders');
  pass(1);
  pass(0);
  pass(days);
  expect(expired).toEqual(['orders']);
  store.stop();
});

it('the end of the last token of a caller is announced two weeks, a week, a day and an hour before', async () => {
  const rotated = `{ name: rotated, tokens: [{ sha256: ${sha256('a')}, expires: 2027-02-01 }, { sha256: ${sha256('b')} }] }`;
  const first = text(caller('orders', ', expires: 2027-02-01'), rotated, caller('endless'));
  const { store, expired, pass, write } = open('expiring', first);
  const seen = (ms: number): readonly string[] => {
    pass(ms);
    return expired.splice(0);
  };
  const HOUR = 3_600_000;
  const DAY = 24 * HOUR;
  expect(store.lastExpiries()).toEqual(new Map([['orders', Date.parse('2027-02-01')]]));
  expect(seen(17 * DAY - 1)).toEqual([]);
  expect(seen(1)).toEqual(['orders soon']);
  expect(seen(6 * DAY)).toEqual([]);
  expect(seen(1 * DAY)).toEqual(['orders soon']);
  expect(seen(6 * DAY)).toEqual(['orders soon']);
  expect(seen(22 * HOUR)).toEqual([]);
  // Again at each reload.
  await write(`${first}\n`);
  expect(seen(0)).toEqual(['orders soon']);
  expect(seen(1 * HOUR)).toEqual(['orders soon']);
  expect(seen(1 * HOUR).toSorted()).toEqual(['orders', 'rotated']);
  await write(text(caller('orders')));
  expect([seen(0), store.lastExpiries()]).toEqual([[], new Map()]);
  store.stop();
});

it('a reload takes the file of callers at once', async () => {
  const { path, store, reloads } = open('reload', text(caller('orders')));
  writeFileSync(path, text(caller('billing')));
  await store.reload();
  expect([nameOf(store, 'orders'), nameOf(store, 'billing')]).toEqual([undefined, 'billing']);
  rmSync(path);
  await store.reload();
  expect(nameOf(store, 'billing')).toBe('billing');
  expect(reloads).toEqual([
    { ok: true, problems: [] },
    { ok: false, problems: [`${path}: cannot be read (ENOENT)`] },
  ]);
  store.stop();
});

it('a large file of callers is parsed on another thread, and files take effect in the order in which they were read', async () => {
  const { path, store, reloads } = open('large', text(caller('orders')));
  const threads: unknown[] = [];
  const onThread = (): unknown => threads.push(nameOf(store, 'orders'));
  process.on('worker', onThread);
  const change = async (changed: string): Promise<void> => {
    writeFileSync(path, changed);
    await store.reload();
  };
  const large = `# ${'x'.repeat(20_000)}\n`;
  const both = [change(large + text(caller('billing')))];
  // The reload of a small file waits for the large one that was read before it.
  process.once('worker', () => both.push(change(text(caller('stock')))));
  await both[0];
  await both[1];
  expect(nameOf(store, 'stock')).toBe('stock');
  expect(threads).toEqual(['orders', undefined]);
  await change(`${large}callers: nonsense`);
  expect(nameOf(store, 'stock')).toBe('stock');
  expect(threads.length).toBe(3);
  expect(reloads.slice(0, 2)).toEqual([
    { ok: true, problems: [] },
    { ok: true, problems: [] },
  ]);
  expect(reloads.slice(2)).toEqual([{ ok: false, problems: [expect.stringContaining('callers must be a list')] }]);
  process.off('worker', onThread);
  store.stop();
});

it('open calls are judged again at each change of the file, and as time goes on', async () => {
  const first = text(caller('orders'), caller('billing', ', expires: 2027-01-02'));
  const { store, pass, write } = open('open', first);
  const ended: string[] = [];
  for (const name of ['orders', 'billing']) {
    store.openCalls.add({
      evidence: { digest: sha256(name) },
      caller: name,
      path: '/assent.auth.v1.AuthService/GetUser',
      end: ({ code }) => ended.push(`${name} ${code}`),
    });
  }
  pass(24 * 3_600_000 - 1);
  expect(ended).toEqual([]);
  pass(1);
  expect(ended.splice(0)).toEqual(['billing CALLER_UNAUTHENTICATED']);
  await write(
    text('{ name: orders, tokens: [{ sha256: SHA }], methods: [CheckPermission] }'.replace('SHA', sha256('orders'))),
  );
  expect(ended.splice(0)).toEqual(['orders CALLER_METHOD_NOT_ALLOWED']);
  await write(text(caller('other')));
  pass(1);
  expect(ended).toEqual([]);
  store.stop();
});
