/** Every change of Better Auth that a decision depends on, made by its API: exactly the events of the contract. */
import { describe, expect, it } from 'vitest';
import { testDatabase } from '../support/database.ts';
import { testNats } from '../support/nats.ts';
import { until } from '../support/until.ts';
import { type Application, createApplication, type Names, PLURAL, SINGULAR } from './support/application.ts';
import { type Ear, listen } from './support/ear.ts';
import { scenarios, silent } from './support/scenarios.ts';

const start = async (names: Names, place: 'first' | 'last') => {
  const { url, prefix, stream } = await testNats();
  const { url: databaseUrl } = await testDatabase();
  const application = createApplication({ databaseUrl, names, place, assent: { nats: url, prefix, stream } });
  await application.migrate();
  return { application, ear: await listen(url, prefix) };
};

/** Until everything that was published has been heard. */
const settle = async (application: Application, ear: Ear): Promise<void> => {
  await until('every event is acknowledged', () => application.plugin?.pending() === 0);
  await ear.catchUp();
};

describe.each([
  ['singular tables, the plugin last', await start(SINGULAR, 'last')],
  ['plural tables, the plugin first', await start(PLURAL, 'first')],
])('%s', (_, { application, ear }) => {
  it.each(Object.entries(scenarios))('%s', async (__, prepare) => {
    const { act, expected } = await prepare(application);
    await settle(application, ear);
    ear.events.length = 0;
    await act();
    await settle(application, ear);
    expect(ear.events).toEqual(expected());
  });

  it.each(Object.entries(silent))('%s: nothing', async (__, prepare) => {
    const act = await prepare(application);
    await settle(application, ear);
    ear.events.length = 0;
    await act();
    await settle(application, ear);
    expect(ear.events).toEqual([]);
  });

  it('publishes each event once, and warns of nothing', () => {
    expect([...ear.counts.values()].filter((count) => count !== 1)).toEqual([]);
    expect(application.warnings.filter((line) => line.includes('assent'))).toEqual([]);
  });
});
