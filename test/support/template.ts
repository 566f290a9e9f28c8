/** Template databases with the tables that Better Auth's own migrations make, and the role of docs/operate/sql. */
import { createMonolith } from '../../demo/monolith/server.ts';
import { ensureTemplate } from './database.ts';
import { grantLeastPrivilege } from './least-privilege.ts';
import { TEST_SECRET } from './monolith.ts';

/**
 * The name of a migrated template, for `testDatabase`. The copies' URL is the superuser's; `leastPrivilegeUrl` turns it
 * into the one that Assent connects with.
 */
export const monolithTemplate = (naming: 'plural' | 'singular'): Promise<string> =>
  ensureTemplate(`monolith_${naming}`, async (databaseUrl) => {
    const monolith = await createMonolith({ databaseUrl, secret: TEST_SECRET, natsUrl: null, naming });
    await monolith.migrate();
    await monolith.stop();
    await grantLeastPrivilege(databaseUrl, naming);
  });
