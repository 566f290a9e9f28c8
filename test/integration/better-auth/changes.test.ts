/** Every change of Better Auth that a decision depends on, made by its API: exactly the events of the contract. */
import { describe, expect, it } from 'vitest';
import { acknowledged } from '../../support/better-auth/acknowledged.ts';
import {
  type Application,
  type ApplicationOptions,
  createApplication,
  PLURAL,
  SINGULAR,
} from '../../support/better-auth/application.ts';
import { drizzleDatabase } from '../../support/better-auth/drizzle.ts';
import { type EventRecorder, recordEvents } from '../../support/better-auth/event-recorder.ts';
import { scenarios, silent } from '../../support/better-auth/scenarios.ts';
import { testDatabase } from '../../support/database.ts';
import { testNats } from '../../support/nats.ts';

type Setup = Omit<ApplicationOptions, 'databaseUrl' | 'assent'>;

const start = async (setup: Setup) => {
  const { url, prefix, stream } = await testNats();
  const { url: databaseUrl } = await testDatabase();
  await createApplication({ databaseUrl, names: setup.names ?? SINGULAR, assent: null }).migrate();
  const application = createApplication({ ...setup, databaseUrl, assent: { nats: url, prefix, stream } });
  return { application, recorder: await recordEvents(url, prefix) };
};

/** Until everything that was published has been recorded. */
const settle = async (application: Application, recorder: EventRecorder): Promise<void> => {
  await acknowledged(application.plugin);
  await recorder.catchUp();
};

describe.each([
  ['singular tables, the plugin last', await start({ names: SINGULAR, place: 'last' })],
  ['plural tables, the plugin first', await start({ names: PLURAL, place: 'first' })],
  ["Drizzle's adapter", await start({ database: (pool, options) => drizzleDatabase(pool, options, true) })],
])('%s', (_, { application, recorder }) => {
  it.each(Object.entries(scenarios))('the change publishes its events: %s', async (__, prepare) => {
    const { act, expected } = await prepare(application);
    await settle(application, recorder);
    recorder.events.length = 0;
    await act();
    await settle(application, recorder);
    expect(recorder.events).toEqual(expected());
  });

  it.each(Object.entries(silent))('the call publishes no event: %s', async (__, prepare) => {
    const act = await prepare(application);
    await settle(application, recorder);
    recorder.events.length = 0;
    await act();
    await settle(application, recorder);
    expect(recorder.events).toEqual([]);
  });

  it('the plugin publishes each event once, and logs no warning', () => {
    expect([...recorder.counts.values()].filter((count) => count !== 1)).toEqual([]);
    expect(application.warnings.filter((line) => line.includes('assent'))).toEqual([]);
  });
});

const plain = await start({ database: (pool, options) => drizzleDatabase(pool, options, false) });
it("Drizzle's adapter without transactions, its default, publishes each write when it is done", async () => {
  const { application, recorder } = plain;
  for (const prepare of Object.values(scenarios)) {
    const { act, expected } = await prepare(application);
    await settle(application, recorder);
    recorder.events.length = 0;
    await act();
    await settle(application, recorder);
    // One event of a transaction may be two without it.
    expect(recorder.events).toEqual(expect.arrayContaining([...expected()]));
  }
});
