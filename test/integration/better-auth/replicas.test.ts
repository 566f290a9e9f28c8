/**
 * Every change of Better Auth that a decision depends on, made by its API with three replicas of Assent listening: each
 * goes on answering from memory until the event, and each answers right after it.
 */

import { writePolicy } from '@assent/policy-format';
import { Redis } from 'ioredis';
import { connect } from 'nats';
import { afterAll, expect, it, onTestFinished } from 'vitest';
import { readAuth } from '../../../packages/better-auth/src/policy/read-auth.ts';
import { grantLeastPrivilege } from '../../../tools/assent/least-privilege.ts';
import { acknowledged } from '../../support/better-auth/acknowledged.ts';
import { createApplication } from '../../support/better-auth/application.ts';
import { BETTER_AUTH_DEFAULTS } from '../../support/better-auth/defaults.ts';
import { type Flip, scenarios } from '../../support/better-auth/scenarios.ts';
import { testDatabase } from '../../support/database.ts';
import { testNats } from '../../support/nats.ts';
import { testRedis } from '../../support/redis.ts';
import { type Answer, startReplicas } from '../../support/relay/replicas.ts';
import { until } from '../../support/until.ts';

const { url: natsUrl, prefix, stream } = await testNats();
const redis = await testRedis();
const { url: databaseUrl } = await testDatabase();
const application = createApplication({ databaseUrl, assent: { nats: natsUrl, prefix, stream } });
await application.migrate();
const replicas = await startReplicas(
  {
    DATABASE_URL: await grantLeastPrivilege(databaseUrl),
    REDIS_URL: redis.url,
    NATS_URL: natsUrl,
    NATS_STREAM: stream,
    ASSENT_EVENTS_PREFIX: prefix,
    // Nothing but an event can make an answer new.
    ASSENT_PERMISSION_TTL_SECONDS: '3600',
  },
  writePolicy(readAuth(application.auth, BETTER_AUTH_DEFAULTS).policy, []),
);
const nats = await connect({ servers: natsUrl });
afterAll(() => nats.close());
const manager = await nats.jetstreamManager();

interface Page {
  readonly memberships: readonly { readonly organization: { readonly id: string } }[];
  readonly nextPageToken: string;
}

/** Until every change so far is published, and applied by each replica. */
const settle = async (): Promise<void> => {
  await acknowledged(application.plugin);
  await replicas.applied((await manager.streams.info(stream)).state.last_seq);
};

const ask = ({ before: _, after: __, ...question }: Flip) => replicas.ask(question);

it.each(Object.entries(scenarios))('replicas answer a change of the application: %s', async (_, prepare) => {
  const { act, flips } = await prepare(application);
  await settle();
  for (const flip of flips()) {
    if (flip.before === null) continue;
    await ask(flip);
    for (const { reason, source } of await ask(flip)) {
      expect({ reason, source }).toEqual({ reason: `REASON_${flip.before}`, source: 'SOURCE_MEMORY' });
    }
  }
  await act();
  await settle();
  expect(flips().length).toBeGreaterThan(0);
  for (const flip of flips()) {
    const answers = await ask(flip);
    expect(answers.map(({ reason }) => reason)).toEqual(Array.from({ length: 3 }, () => `REASON_${flip.after}`));
  }
});

it("replicas accept each other's entries in Redis and page tokens", async () => {
  const user = await application.signUp('user');
  const organizations: string[] = [];
  for (const name of ['Acme', 'Umbrella']) {
    const body = { name, slug: crypto.randomUUID() };
    const created = await application.auth.api.createOrganization({ body, headers: user.headers });
    organizations.push(created?.id ?? '');
  }
  await settle();
  const client = new Redis(redis.url);
  onTestFinished(() => client.disconnect());
  const question = { userId: user.id, organizationId: organizations[0], permission: 'member:create' };
  const sources: string[] = [];
  for (const index of [0, 1, 2]) {
    sources.push((await replicas.callOne<Answer>(index, 'CheckPermission', question)).source);
    // A replica stores its entry without waiting for Redis.
    await until(
      'the entry is in Redis',
      async () => (await client.exists(`perm:${user.id}:${organizations[0]}`)) === 1,
    );
  }
  expect(sources).toEqual(['SOURCE_DATABASE', 'SOURCE_REDIS', 'SOURCE_REDIS']);

  const listed: string[] = [];
  let pageToken = '';
  for (const index of [0, 1]) {
    const page = await replicas.callOne<Page>(index, 'ListUserOrganizations', {
      userId: user.id,
      pageSize: 1,
      pageToken,
    });
    listed.push(...page.memberships.map(({ organization }) => organization.id));
    pageToken = page.nextPageToken;
  }
  expect({ listed, pageToken }).toEqual({ listed: organizations.toSorted(), pageToken: '' });
});
