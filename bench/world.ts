/** PostgreSQL, Redis and NATS with Better Auth's tables, a population, and tokens that the application signed. */
import { randomBytes } from 'node:crypto';
import { createApplication } from '../demo/application/server.ts';
import { grantLeastPrivilege } from '../tools/assent/least-privilege.ts';
import { createDatabase, startNats, startPostgres, startRedis } from '../tools/local-services/index.ts';
import {
  addMember,
  generate,
  membershipOrganization,
  membershipRole,
  organizationId,
  type Population,
  userId,
} from './generate.ts';
import type { Subject } from './questions.ts';

export interface World {
  /** Of the tables' owner. */
  readonly ownerUrl: string;
  readonly redisUrl: string;
  readonly population: Population;
  /** Assent's environment: everything on. */
  readonly environment: Readonly<Record<string, string>>;
  readonly secret: string;
  readonly tokens: { readonly userId: string; readonly hs256: string; readonly edDsa: string };
  /** An organization in which the tokens' user is a member. */
  readonly tokenOrganization: string;
  /** This many distinct memberships of the population. */
  memberships(count: number): readonly (Subject & { readonly role: string })[];
}

const POPULATION: Population = { users: 4_000, organizations: 100, membershipsPerUser: 3 };

/** Starts everything; `stack` stops it. */
export const createWorld = async (stack: AsyncDisposableStack): Promise<World> => {
  const [postgres, redis, nats] = await Promise.all([
    startPostgres().then((server) => stack.adopt(server, ({ stop }) => stop())),
    // Never an existing server of the user: it is emptied between measurements.
    startRedis({ own: true }).then((server) => stack.adopt(server, ({ stop }) => stop())),
    startNats({ own: true }).then((server) => stack.adopt(server, ({ stop }) => stop())),
  ]);
  const ownerUrl = await createDatabase(postgres.url, 'bench');
  const secret = randomBytes(24).toString('base64url');
  // Longer than any run.
  const application = await createApplication({ databaseUrl: ownerUrl, secret, natsUrl: null, tokenLifetime: '12h' });
  try {
    await application.migrate();
    await generate(ownerUrl, POPULATION);
    const databaseUrl = await grantLeastPrivilege(ownerUrl);
    const session = await application.signUp('Ada', 'ada@example.com');
    const tokenOrganization = organizationId(0);
    // By SQL: Better Auth adds no more members than 100 to an organization.
    await addMember(ownerUrl, session.userId, tokenOrganization, 'staff');
    return {
      ownerUrl,
      redisUrl: redis.url,
      population: POPULATION,
      secret,
      environment: {
        DATABASE_URL: databaseUrl,
        REDIS_URL: redis.url,
        NATS_URL: nats.url,
        BETTER_AUTH_SECRET: secret,
        BETTER_AUTH_URL: application.url,
        ASSENT_POLICY: new URL('../demo/policy.yaml', import.meta.url).pathname,
      },
      tokens: {
        userId: session.userId,
        hs256: await application.hs256Token(session.userId, tokenOrganization),
        edDsa: await session.token(),
      },
      tokenOrganization,
      memberships: (count) =>
        Array.from({ length: count }, (_, index) => {
          const user = index % POPULATION.users;
          const membership = Math.floor(index / POPULATION.users);
          return {
            userId: userId(user),
            organizationId: organizationId(membershipOrganization(POPULATION, user, membership)),
            role: membershipRole(user, membership),
          };
        }),
    };
  } finally {
    await application.stop();
  }
};
