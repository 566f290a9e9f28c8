/** Unix sockets of one process and of two workers, also after a start that failed. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startAssent } from '../../tools/assent/assent-process.ts';
import { testDatabase } from '../support/database.ts';
import { testFolder } from '../support/folder.ts';
import { settingsFor } from '../support/settings.ts';
import { applicationTemplate } from '../support/template.ts';

const database = await testDatabase(await applicationTemplate('plural'));
const { path: folder } = testFolder();
const names = ['grpc.sock', 'http.sock', 'metrics.sock'];
const settings = (workers: string) => ({
  ...settingsFor(database.url),
  ASSENT_GRPC_ADDRESS: `unix:${join(folder, 'grpc.sock')}`,
  ASSENT_HTTP_ADDRESS: `unix:${join(folder, 'http.sock')}`,
  ASSENT_METRICS_ADDRESS: `unix:${join(folder, 'metrics.sock')}`,
  ASSENT_WORKERS: workers,
});

it.each(['1', '2'])('unix sockets of %s processes have the mode 0660, and a stop removes them', async (workers) => {
  const assent = await startAssent(settings(workers));
  expect(readdirSync(folder).toSorted()).toEqual(names);
  for (const name of names) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o660);
  expect(await assent.stop()).toEqual({ code: 0, signal: null });
  expect(readdirSync(folder)).toEqual([]);
});

it.each(['1', '2'])('a start of %s processes that fails removes the unix sockets that it made', async (workers) => {
  const environment = { ...settings(workers), ASSENT_METRICS_ADDRESS: `unix:${join(folder, 'missing', 'm.sock')}` };
  await expect(startAssent(environment)).rejects.toThrow(
    `ASSENT_METRICS_ADDRESS cannot be listened on: the folder ${join(folder, 'missing')} does not exist`,
  );
  expect(readdirSync(folder)).toEqual([]);
});
