/** A start that cannot be: what the operator reads names the setting and the cause. */
import { createServer } from 'node:net';
import { afterAll, expect, it } from 'vitest';
import { startAssent } from '../../tools/assent/assent-process.ts';
import { testDatabase } from '../support/database.ts';
import { applicationTemplate } from '../support/template.ts';

const taken = createServer();
await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
const address = taken.address();
const port = typeof address === 'object' ? address?.port : undefined;
afterAll(() => taken.close());

const unknownRole = new URL((await testDatabase(await applicationTemplate('plural'))).url);
unknownRole.username = 'nobody';
const ENVIRONMENT = {
  DATABASE_URL: unknownRole.href,
  BETTER_AUTH_SECRET: 'a-secret-that-is-long-enough-for-hs256',
  BETTER_AUTH_URL: 'http://localhost:3000',
  ASSENT_GRPC_ADDRESS: '127.0.0.1:0',
  ASSENT_HTTP_ADDRESS: 'off',
};

it('a database role that may not connect is logged once for each problem', async () => {
  const assent = await startAssent({ ...ENVIRONMENT, ASSENT_POLICYFILE: 'policy.yaml' }, 'service.still_not_serving');
  const logs = assent.logs();
  expect(logs.find(({ event }) => event === 'service.still_not_serving')?.['error']).toMatch(/"nobody"/);
  // Five seconds and several tries later: the reason was said.
  await assent.logged(({ event, suppressed }) => event === 'database.fault' && Number(suppressed) > 0);
  expect(logs.filter(({ event }) => event === 'service.still_not_serving')).toHaveLength(1);
  expect(logs).toContainEqual(
    expect.objectContaining({ event: 'config.unknown_variable', variable: 'ASSENT_POLICYFILE' }),
  );
  expect(await assent.stop()).toEqual({ code: 0, signal: null });
});

it.each(['ASSENT_GRPC_ADDRESS', 'ASSENT_HTTP_ADDRESS'])(
  'an address that another process uses is named by its variable: %s',
  async (name) => {
    const environment = { ...ENVIRONMENT, [name]: `127.0.0.1:${port}` };
    await expect(startAssent(environment)).rejects.toThrow(`${name} cannot be listened on`);
  },
);
