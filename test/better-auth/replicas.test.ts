/**
 * Every change of Better Auth that a decision depends on, made by its API with three replicas of Assent listening: each
 * goes on answering from memory until the event, and each answers right after it.
 */
import { connect } from 'nats';
import { afterAll, expect, it } from 'vitest';
import { readAuth } from '../../packages/better-auth/src/policy/read-auth.ts';
import { writePolicy } from '../../packages/better-auth/src/policy/write-policy.ts';
import { startReplicas } from '../relay/support/replicas.ts';
import { testDatabase } from '../support/database.ts';
import { grantLeastPrivilege } from '../support/least-privilege.ts';
import { testNats } from '../support/nats.ts';
import { testRedis } from '../support/redis.ts';
import { until } from '../support/until.ts';
import { createApplication } from './support/application.ts';
import { BETTER_AUTH_DEFAULTS } from './support/defaults.ts';
import { type Flip, scenarios } from './support/scenarios.ts';

const { url: natsUrl, prefix, stream } = await testNats();
const redis = await testRedis();
const { url: databaseUrl } = await testDatabase();
const application = createApplication({ databaseUrl, assent: { nats: natsUrl, prefix, stream } });
await application.migrate();
const replicas = await startReplicas(
  {
    DATABASE_URL: await grantLeastPrivilege(databaseUrl, 'singular'),
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

/** Until every change so far is published, and applied by each replica. */
const settle = async (): Promise<void> => {
  await until('every event is acknowledged', () => application.plugin?.pending() === 0);
  await replicas.applied((await manager.streams.info(stream)).state.last_seq);
};

const ask = ({ before: _, after: __, ...question }: Flip) => replicas.ask(question);

it.each(Object.entries(scenarios))('%s', async (_, prepare) => {
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
