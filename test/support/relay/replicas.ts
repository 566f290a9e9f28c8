/** Three replicas of Assent in this process, each with its own memory and subscription, called by HTTP. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { createApp } from '../../../src/app.ts';
import { loadConfig } from '../../../src/config/index.ts';
import type { App } from '../../../src/service.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { TEST_SECRET } from '../application.ts';
import { until } from '../until.ts';

export interface Answer {
  readonly allowed?: boolean;
  readonly reason: string;
  readonly source: string;
}

export interface Question {
  readonly userId: string;
  /** Absent: the whole platform. */
  readonly organizationId?: string;
  readonly permission: string;
}

/** Starts them; they end after the file's tests. */
export const startReplicas = async (environment: Readonly<Record<string, string>>, policy: string) => {
  const folder = mkdtempSync(join(tmpdir(), 'assent-replicas-'));
  const policyPath = join(folder, 'policy.yaml');
  writeFileSync(policyPath, policy);
  const config = loadConfig({
    ASSENT_GRPC_ADDRESS: '127.0.0.1:0',
    ASSENT_HTTP_ADDRESS: '127.0.0.1:0',
    ASSENT_POLICY: policyPath,
    BETTER_AUTH_SECRET: TEST_SECRET,
    ASSENT_JWKS: 'off',
    ...environment,
  });
  const apps: App[] = [];
  const urls: string[] = [];
  afterAll(async () => {
    for (const app of apps) {
      await Promise.all(app.servers.all.map((server) => server.stop(1_000)));
      await app.end();
    }
    rmSync(folder, { recursive: true });
  });
  for (let index = 0; index < 3; index += 1) {
    const metrics = createMetrics();
    const app = await createApp(
      config,
      createLog('silent'),
      metrics,
      metrics.scrape,
      'the key of one replica, 32 characters',
    );
    apps.push(app);
    if (!(await app.prepare())) throw new Error('PostgreSQL is away');
    app.servers.setServing(true);
    for (const { name, listen } of app.servers.all) {
      const address = await listen();
      if (name === 'http') urls.push(`http://${address}`);
    }
  }
  const post = async <T>(url: string, method: string, request: object) => {
    const response = await fetch(`${url}/assent.auth.v1.AuthService/${method}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'assent-trace': '1' },
      body: JSON.stringify(request),
    });
    const answer = (await response.json()) as T;
    if (response.status !== 200) throw new Error(JSON.stringify(answer));
    return { answer, sequence: Number(response.headers.get('assent-position')?.split(':').at(-1)) };
  };
  const call = (url: string, { organizationId, ...rest }: Question) => {
    const scope = organizationId === undefined ? { platform: {} } : { organizationId };
    return post<Answer>(url, 'CheckPermission', { ...rest, ...scope });
  };
  return {
    /** The answer of one replica, by its number, to any call. */
    callOne: async <T>(index: number, method: string, request: object): Promise<T> =>
      (await post<T>(urls[index] ?? '', method, request)).answer,
    /** The answer of each replica. */
    ask: (question: Question): Promise<readonly Answer[]> =>
      Promise.all(urls.map(async (url) => (await call(url, question)).answer)),
    /** Until each has applied the event of this sequence. */
    applied: async (sequence: number): Promise<void> => {
      const probe: Question = { userId: 'nobody-at-all', permission: 'a:b' };
      for (const url of urls) {
        await until(`event ${sequence} at ${url}`, async () => (await call(url, probe)).sequence >= sequence);
      }
    },
  };
};
