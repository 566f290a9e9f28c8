/** The configuration of Better Auth in the demo's application. */
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { admin, jwt, organization } from 'better-auth/plugins';
import type pg from 'pg';
// In an application: from '@assent/better-auth'.
import { assent } from '../../packages/better-auth/src/index.ts';
import { organizationAccess, organizationRoles, platformAccess, platformRoles } from './access.ts';
import { readClaims } from './claims.ts';

/** How tables are named: `users` and so on, or Better Auth's default, `user` and so on. */
export type Naming = 'plural' | 'singular';

const PLURAL = {
  user: 'users',
  session: 'sessions',
  account: 'accounts',
  verification: 'verifications',
  organization: 'organizations',
  member: 'members',
  invitation: 'invitations',
} as const;

/** The name of each table that naming changes. */
export const tableNames = (naming: Naming): Readonly<Record<keyof typeof PLURAL, string>> =>
  naming === 'plural'
    ? PLURAL
    : {
        user: 'user',
        session: 'session',
        account: 'account',
        verification: 'verification',
        organization: 'organization',
        member: 'member',
        invitation: 'invitation',
      };

export interface AuthOptions {
  readonly pool: pg.Pool;
  /** Where the application is served: issuer and audience of its tokens, and the one origin that it trusts. */
  readonly origin: string;
  readonly secret: string;
  readonly naming: Naming;
  /** How long a JWT is good for, for example `15m`. */
  readonly tokenLifetime: string;
  /** The NATS URL of the events; without it no event is published. */
  readonly nats: string | undefined;
  /** The stream and the prefix of the events' subjects; Assent's defaults when absent. */
  readonly stream?: string | undefined;
  readonly prefix?: string | undefined;
}

/** Better Auth with passwords, platform roles and bans, organizations with dynamic roles, and JWTs. */
export const createAuth = ({ pool, origin, secret, naming, tokenLifetime, nats, stream, prefix }: AuthOptions) => {
  const tables = tableNames(naming);
  return betterAuth({
    database: pool,
    baseURL: origin,
    trustedOrigins: [origin],
    secret,
    logger: { level: 'error' },
    // On by default with NODE_ENV=production: demo and tests sign in more often than people.
    rateLimit: { enabled: false },
    emailAndPassword: { enabled: true },
    user: { modelName: tables.user, deleteUser: { enabled: true } },
    session: { modelName: tables.session },
    account: { modelName: tables.account },
    verification: { modelName: tables.verification },
    plugins: [
      assent({ nats, stream, prefix }),
      admin({ adminRoles: ['superadmin'], ac: platformAccess, roles: platformRoles }),
      organization({
        ac: organizationAccess,
        roles: organizationRoles,
        dynamicAccessControl: { enabled: true },
        schema: {
          organization: { modelName: tables.organization },
          member: { modelName: tables.member },
          invitation: { modelName: tables.invitation },
        },
      }),
      jwt({
        jwt: {
          expirationTime: tokenLifetime,
          definePayload: async ({ user, session }) => ({
            ...(await readClaims(pool, tables, user.id, session['activeOrganizationId'] ?? null)),
          }),
        },
      }),
    ],
  });
};

export type Auth = ReturnType<typeof createAuth>;

/** Brings the database's tables to what this configuration needs, by Better Auth's own migrations. */
export const migrate = async (auth: Auth): Promise<void> => {
  const { runMigrations } = await getMigrations(auth.options);
  await runMigrations();
};
