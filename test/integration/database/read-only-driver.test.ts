import { expect, inject, it } from 'vitest';
import { readOnlyDriver } from '../../../src/database/read-only-driver.ts';
import { startProxy, through } from '../../../tools/network/proxy.ts';
import { testDatabase } from '../../support/database.ts';
import { portOf } from '../../support/port-of.ts';

const own = await testDatabase();

it('a connection that stops answering is given up in time, and dropped without waiting for it again', async () => {
  const proxy = await startProxy(portOf(inject('postgresUrl')));
  const createDriver = readOnlyDriver({
    url: through(own.url, proxy),
    statementTimeoutMs: 500,
    onUnprepared: () => {},
  });
  const driver = await createDriver({
    driverConfiguration: {
      connectionTimeout: 'DISABLE_TIMEOUT',
      connectionUri: '',
      // Longer than a test may take: here for a query that is still under way when its connection is dropped.
      gracefulTerminationTimeout: 60_000,
      idleInTransactionSessionTimeout: 'DISABLE_TIMEOUT',
      statementTimeout: 'DISABLE_TIMEOUT',
      typeParsers: [],
    },
  });
  const client = await driver.createClient();
  client.acquire();
  expect((await client.query('SELECT 1 AS n')).rows).toEqual([{ n: 1 }]);
  proxy.setMode('stall');
  await expect(client.query('SELECT 1 AS n')).rejects.toThrow('timeout waiting for PostgreSQL');
  await client.destroy();
  await proxy.close();
});
