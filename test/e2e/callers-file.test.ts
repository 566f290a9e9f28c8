/** The file of callers in a running service: its reload in every worker, rotation, metrics and what stays open. */
import { renameSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type ServingAssent, startAssent } from '../../tools/assent/assent-process.ts';
import { leastPrivilegeUrl } from '../../tools/assent/least-privilege.ts';
import { sha256 } from '../support/callers.ts';
import { testDatabase } from '../support/database.ts';
import { testFolder } from '../support/folder.ts';
import { grpcClient } from '../support/protocol-clients/grpc.ts';
import { settingsFor } from '../support/settings.ts';
import { applicationTemplate } from '../support/template.ts';

const WORKERS = 2;
const database = await testDatabase(await applicationTemplate('plural'));
const { file } = testFolder();
const caller = (name: string, ...tokens: readonly string[]): string =>
  `  - name: ${name}\n    tokens: [${tokens.map((token) => `{ sha256: ${sha256(token)} }`).join(', ')}]\n`;
/** One call at once in each worker, and then one in 2,000 seconds. */
const SLOW = `${caller('slow', 'slow')}    rate: ${WORKERS / 2_000}\n`;
const path = file('callers.yaml', `callers:\n${caller('orders', 'first')}${SLOW}`);

let assent: ServingAssent;
beforeAll(async () => {
  assent = await startAssent({
    ...settingsFor(leastPrivilegeUrl(database.url)),
    ASSENT_CALLERS: path,
    ASSENT_WORKERS: String(WORKERS),
  });
});
afterAll(async () => {
  expect(await assent.stop()).toEqual({ code: 0, signal: null });
  expect(assent.stderr()).toBe('');
});

const ASK = { userId: 'nobody', platform: {}, permission: 'a:b' };
/** Asks each worker, each on a separate connection: connections are distributed in turn. */
const ask = async (token: string, calls = WORKERS): Promise<readonly unknown[]> => {
  const codes: unknown[] = [];
  for (let call = 0; call < calls; call += 1) {
    const client = grpcClient(assent.grpcAddress);
    const { code } = await client.call('CheckPermission', ASK, { metadata: { authorization: `Bearer ${token}` } });
    client.close();
    codes.push(code);
  }
  return codes;
};
const askHttp = async (token: string): Promise<number> => {
  const { status } = await fetch(`${assent.httpUrl}/assent.auth.v1.AuthService/CheckPermission`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, connection: 'close' },
    body: JSON.stringify(ASK),
  });
  return status;
};
/** Replaces the file and waits until every worker says so. */
const replace = async (text: string, event: string): Promise<void> => {
  const lines = () => assent.logs().filter((line) => line.event === event);
  const before = lines().length;
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
  await assent.logged(() => lines().length === before + WORKERS);
  expect(new Set(lines().map(({ pid }) => pid)).size).toBe(WORKERS);
};

it('a token is rotated in every worker without a refused call, and a bad file changes nothing', async () => {
  expect(await ask('first')).toEqual(['OK', 'OK']);
  expect(await ask('second')).toEqual(['UNAUTHENTICATED', 'UNAUTHENTICATED']);
  await replace(`callers:\n${caller('orders', 'first', 'second')}${SLOW}`, 'callers.reloaded');
  expect([...(await ask('first')), ...(await ask('second'))]).toEqual(['OK', 'OK', 'OK', 'OK']);
  await replace(`callers:\n${caller('orders', 'second')}${SLOW}`, 'callers.reloaded');
  expect([...(await ask('first')), ...(await ask('second'))]).toEqual([
    'UNAUTHENTICATED',
    'UNAUTHENTICATED',
    'OK',
    'OK',
  ]);
  expect([await askHttp('first'), await askHttp('second')]).toEqual([401, 200]);

  await replace('callers:\n  - name: hunter2 hunter2\n', 'callers.refused');
  const [line] = assent.logs().filter(({ event }) => event === 'callers.refused');
  expect(line?.['problems']).toEqual([
    expect.stringMatching(/^line 2, column 5: callers\[0\] must have tokens or certificates/),
    expect.stringMatching(/^line 2, column 11: callers\[0\]\.name must be /),
  ]);
  expect(JSON.stringify(assent.logs())).not.toContain('hunter2');
  expect([...(await ask('first')), ...(await ask('second'))]).toEqual([
    'UNAUTHENTICATED',
    'UNAUTHENTICATED',
    'OK',
    'OK',
  ]);

  const metrics = await (await fetch(`${assent.httpUrl}/metrics`)).text();
  expect(metrics).toContain(`assent_callers_reloads_total{outcome="failed"} ${WORKERS}`);
  expect(metrics).toMatch(/^assent_caller_requests_total\{caller="orders",code="OK"\} 11$/m);
  expect(metrics).toMatch(
    /^assent_caller_refusals_total\{caller="\(unauthenticated\)",reason="CALLER_UNAUTHENTICATED"\} 7$/m,
  );
  const refused = await assent.logged(({ event }) => event === 'callers.call_refused');
  expect(refused).toMatchObject({ caller: null, method: 'CheckPermission', reason: 'CALLER_UNAUTHENTICATED' });
  expect((await fetch(`${assent.httpUrl}/readyz`)).status).toBe(200);
});

it('the workers share the rate of a caller', async () => {
  const codes = await ask('slow', 5 * WORKERS);
  expect(codes.filter((code) => code === 'OK')).toHaveLength(WORKERS);
  expect(codes.filter((code) => code === 'RESOURCE_EXHAUSTED')).toHaveLength(4 * WORKERS);
});
