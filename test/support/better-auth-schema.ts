/** Databases as Better Auth's own migrations make them, one template for each naming. */
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { admin, jwt, organization } from 'better-auth/plugins';
import { createAccessControl } from 'better-auth/plugins/access';
import { defaultStatements } from 'better-auth/plugins/organization/access';
import pg from 'pg';
import { ensureTemplate } from './database.ts';

const plural = { modelName: 'users' };

/** Migrates an empty database. */
export const migrate = async (url: string, naming: 'plural' | 'singular'): Promise<void> => {
  const pool = new pg.Pool({ connectionString: url });
  const renamed = naming === 'plural';
  try {
    const auth = betterAuth({
      database: pool,
      baseURL: 'http://localhost:3000',
      secret: 'a-secret-that-is-long-enough-for-tests',
      ...(renamed
        ? {
            user: plural,
            session: { modelName: 'sessions' },
            account: { modelName: 'accounts' },
            verification: { modelName: 'verifications' },
          }
        : {}),
      plugins: [
        admin(),
        jwt(),
        organization({
          ac: createAccessControl(defaultStatements),
          dynamicAccessControl: { enabled: true },
          ...(renamed
            ? {
                schema: {
                  organization: { modelName: 'organizations' },
                  member: { modelName: 'members' },
                  invitation: { modelName: 'invitations' },
                },
              }
            : {}),
        }),
      ],
    });
    const { runMigrations } = await getMigrations(auth.options);
    await runMigrations();
  } finally {
    await pool.end();
  }
};

/** The template's name, for `testDatabase`. */
export const schemaTemplate = (naming: 'plural' | 'singular'): Promise<string> =>
  ensureTemplate(`better_auth_${naming}`, (url) => migrate(url, naming));
