/** docs/use/better-auth.md, from nothing to the first decision: its files and its commands, in a separate folder. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { startAssent } from '../../../tools/assent/assent-process.ts';
import { startNats } from '../../../tools/local-services/index.ts';
import { run } from '../../../tools/run.ts';
import { installPacked } from '../../support/better-auth/packed.ts';
import { testDatabase } from '../../support/database.ts';
import { until } from '../../support/until.ts';

const text = await readFile(new URL('../../../docs/use/better-auth.md', import.meta.url), 'utf8');
const { url: databaseUrl } = await testDatabase();
// A separate server: the document uses the default names.
const nats = await startNats({ own: true });
afterAll(() => nats.stop());
const { folder } = await installPacked();

/** The files that the document has in full. */
const files = [...text.matchAll(/^```ts (?<name>\S+)\n(?<code>.*?)^```$/gms)].map(({ groups }) => groups ?? {});

it('the guide for Better Auth leads to a decision, and to another one after a role has changed', {
  timeout: 60_000,
}, async () => {
  expect(files.map(({ name }) => name)).toEqual(['auth.ts', 'people.ts', 'promote.ts']);
  for (const { name = '', code = '' } of files) await writeFile(join(folder, name), code);
  const environment: Record<string, string> = {
    DATABASE_URL: databaseUrl,
    NATS_URL: nats.url,
    BETTER_AUTH_SECRET: 'a-secret-of-the-tests-that-is-long-enough',
    BETTER_AUTH_URL: 'http://localhost:3000',
  };
  const node = async (...args: readonly string[]): Promise<string> => {
    const env = { ...process.env, ...environment };
    return (await run(process.execPath, [...args], { cwd: folder, timeout: 20_000, env })).stdout;
  };
  /** Does what a shell does with the `export` line that was printed. */
  const paste = (line: string): void => {
    expect(line).toMatch(/^export (?:\w+=\S+ ?)+\n$/);
    for (const [, name = '', value = ''] of line.matchAll(/(\w+)=(\S+)/g)) environment[name] = value;
  };
  paste(await node('people.ts'));
  const policy = await node('node_modules/@assent/better-auth/bin/assent-policy.js', 'export', './auth.ts');
  await writeFile(join(folder, 'policy.yaml'), policy);

  const { DATABASE_URL, NATS_URL, BETTER_AUTH_SECRET, BETTER_AUTH_URL } = environment;
  const services = { DATABASE_URL, NATS_URL, BETTER_AUTH_SECRET, BETTER_AUTH_URL };
  const assent = await startAssent({ ...services, ASSENT_POLICY: join(folder, 'policy.yaml') });
  try {
    const send = async (body: unknown): Promise<unknown> => {
      const headers = { 'content-type': 'application/json' };
      const url = `${assent.httpUrl}/assent.auth.v1.AuthService/CheckPermission`;
      return (await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })).json();
    };
    // The body of the document's curl, as the shell would make it.
    const [, escaped = ''] = /-d "(\{.*\})"/.exec(text) ?? [];
    const body = JSON.parse(
      escaped.replaceAll('\\"', '"').replaceAll(/\$(\w+)/g, (_, name: string) => environment[name] ?? ''),
    );
    const before = { allowed: false, reason: 'REASON_ROLE_LACKS_PERMISSION', roles: ['member'] };
    expect(await send(body)).toMatchObject(before);
    expect(await send(body)).toMatchObject({ ...before, source: 'SOURCE_MEMORY' });
    paste(await node('promote.ts'));
    const after = { allowed: true, reason: 'REASON_ROLE_GRANTS', grantedBy: 'owner' };
    await until('the event is applied', async () => JSON.stringify(await send(body)).includes('"allowed":true'));
    expect(await send(body)).toMatchObject(after);
    const byToken = { token: environment['TOKEN'], organizationId: environment['ACME'], permission: 'leave:approve' };
    expect(await send(byToken)).toMatchObject({ ...after, principal: { email: 'olivia@example.com' } });
  } finally {
    await assent.stop();
  }
});
