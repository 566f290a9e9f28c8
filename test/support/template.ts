/** Template databases with the tables that Better Auth's own migrations make, and the service's least-privilege role. */
import { createApplication } from '../../demo/application/server.ts';
import { grantLeastPrivilege } from '../../tools/assent/least-privilege.ts';
import { TEST_SECRET } from './application.ts';
import { ensureTemplate } from './database.ts';

/**
 * The name of a migrated template, for `testDatabase`. The copies' URL is the superuser's; `leastPrivilegeUrl` turns it
 * into the one that Assent connects with.
 */
export const applicationTemplate = (naming: 'plural' | 'singular'): Promise<string> =>
  ensureTemplate(`application_${naming}`, async (databaseUrl) => {
    const application = await createApplication({ databaseUrl, secret: TEST_SECRET, natsUrl: null, naming });
    await application.migrate();
    await application.stop();
    await grantLeastPrivilege(databaseUrl);
  });
