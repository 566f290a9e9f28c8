/** Metrics on a separate address, in one process and in two workers. */
import { expect, it, onTestFinished } from 'vitest';
import { startAssentUntil } from '../support/assent.ts';
import { testDatabase } from '../support/database.ts';
import { settingsFor } from '../support/settings.ts';
import { applicationTemplate } from '../support/template.ts';

const database = await testDatabase(await applicationTemplate('plural'));

it.each(['1', '2'])('metrics of %s processes are served on their separate address alone', async (workers) => {
  const assent = await startAssentUntil(onTestFinished, {
    ...settingsFor(database.url),
    ASSENT_METRICS_ADDRESS: '127.0.0.1:0',
    ASSENT_WORKERS: workers,
  });
  const serving = assent.logs().find(({ event }) => event === 'service.serving');
  const get = (url: string) => fetch(url, { headers: { connection: 'close' } });
  // Separate connections at once, so that each worker gets some of them.
  const answers = await Promise.all(Array.from({ length: 8 }, () => get(`http://${serving?.['metrics']}/metrics`)));
  for (const answer of answers) {
    expect(answer.status).toBe(200);
    expect(await answer.text()).toContain('assent_requests_total');
  }
  expect((await get(`http://${serving?.['metrics']}/readyz`)).status).toBe(200);
  expect((await get(`${assent.httpUrl}/metrics`)).status).toBe(404);
});
