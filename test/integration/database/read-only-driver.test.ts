import { expect, inject, it } from 'vitest';
import { readOnlyDriver } from '../../../src/database/read-only-driver.ts';
import { startProxy, through } from '../../../tools/network/proxy.ts';
import { testDatabase } from '../../support/database.ts';
import { portOf } from '../../support/port-of.ts';

const own = await testDatabase();

it('a connection that stops answering fails its statement in time, and is dropped without another wait', async () => {
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
      // Longer than a test may take: slonik waits so long for a query that is under way when it drops a connection.
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
