/** A small application with a real Better Auth in it: the demo's, and the one of the end-to-end tests. */
import { createServer } from 'node:http';
import { toNodeHandler } from 'better-auth/node';
import pg from 'pg';
import { z } from 'zod';
import { readClaims, signWithSecret } from './claims.ts';
import { openSession, type Session } from './client.ts';
import { type Auth, createAuth, migrate, type Naming, tableNames } from './create-auth.ts';

export interface ApplicationOptions {
  /** As the owner of its tables. */
  readonly databaseUrl: string;
  /** At least 32 characters. */
  readonly secret: string;
  /** Null: no event is published. */
  readonly natsUrl: string | null;
  /** The stream and the prefix of the events' subjects; Assent's defaults when absent. */
  readonly stream?: string;
  readonly prefix?: string;
  /** `plural` when absent. */
  readonly naming?: Naming;
  /** How long tokens are good for; `15m` when absent. */
  readonly tokenLifetime?: string;
}

export interface Application {
  readonly auth: Auth;
  /** The origin, for example `http://127.0.0.1:43211`; the API is under `/api/auth`. */
  readonly url: string;
  readonly secret: string;
  migrate(): Promise<void>;
  /** Creates a user past the API, as an administrator's script would; `role` is a platform role. Returns the id. */
  createUser(user: { readonly name: string; readonly email: string; readonly role?: 'superadmin' }): Promise<string>;
  /** Adds a member past the API, without an invitation. Returns the id of the membership. */
  addMember(userId: string, organizationId: string, role: string): Promise<string>;
  /** Creates a user by HTTP. Every user has the same password. */
  signUp(name: string, email: string): Promise<Session>;
  signIn(email: string): Promise<Session>;
  /** A token signed with the secret by the application itself. */
  hs256Token(userId: string, organizationId?: string): Promise<string>;
  stop(): Promise<void>;
}

/** Not a secret: the database lasts as long as the demo or the test. */
export const PASSWORD = 'correct horse battery staple';

type OrganizationRole = 'viewer' | 'staff' | 'admin' | 'owner';

const memberSchema = z.object({ id: z.string() });

/** Starts the application on a free port of 127.0.0.1. Its tables are there after {@link Application.migrate}. */
export const createApplication = async (options: ApplicationOptions): Promise<Application> => {
  const { databaseUrl, secret, natsUrl, stream, prefix, naming = 'plural', tokenLifetime = '15m' } = options;
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 5, application_name: 'application' });
  // Without a listener an idle connection that breaks would end the process; the next query says what is wrong.
  pool.on('error', () => {});

  // Tokens name the origin, so that the port has to be known before Better Auth is configured.
  const server = createServer((request, response) => void respond(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  const auth = createAuth({
    pool,
    origin: url,
    secret,
    naming,
    tokenLifetime,
    nats: natsUrl ?? undefined,
    stream,
    prefix,
  });
  const respond = toNodeHandler(auth);

  return {
    auth,
    url,
    secret,
    migrate: () => migrate(auth),
    createUser: async ({ role, ...user }) => {
      const body = { ...user, password: PASSWORD, ...(role === undefined ? {} : { role }) };
      return (await auth.api.createUser({ body })).user.id;
    },
    addMember: async (userId, organizationId, role) => {
      // The type lists the static roles; dynamic ones and several with commas are taken as well.
      const body = { userId, organizationId, role: role as OrganizationRole };
      return memberSchema.parse(await auth.api.addMember({ body })).id;
    },
    signUp: (name, email) => openSession(url, '/sign-up/email', { name, email, password: PASSWORD }),
    signIn: (email) => openSession(url, '/sign-in/email', { email, password: PASSWORD }),
    hs256Token: async (userId, organizationId) =>
      signWithSecret(await readClaims(pool, tableNames(naming), userId, organizationId ?? null), secret, tokenLifetime),
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await pool.end();
    },
  };
};
