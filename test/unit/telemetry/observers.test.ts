/** What is said of faults that come with every call, and of a NATS that stays away. */
import { beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import type { Logger } from '../../../src/telemetry/log.ts';
import { createMetrics, type Metrics } from '../../../src/telemetry/metrics.ts';
import { type Observers, observers } from '../../../src/telemetry/observers.ts';

let said: string[];
let metrics: Metrics;
let observe: Observers;
beforeEach(() => {
  said = [];
  metrics = createMetrics();
  const write = (level: string) => (first: unknown, message?: string) =>
    void said.push(`${level} ${message ?? String(first)} ${message === undefined ? '' : JSON.stringify(first)}`.trim());
  const log = Object.fromEntries(['debug', 'info', 'warn', 'error'].map((level) => [level, write(level)]));
  observe = observers(log as unknown as Logger, metrics);
});

it('says a fault once in five seconds, with how many there were meanwhile, and counts them all', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  for (let count = 0; count < 3; count += 1) observe.redisError('get', new Error('away'));
  vi.advanceTimersByTime(5_000);
  observe.redisError('get', new Error('away', { cause: new Error('ECONNREFUSED') }));
  expect(said).toEqual([
    'warn Redis could not answer: its entries count as misses {"error":"away","suppressed":0}',
    'warn Redis could not answer: its entries count as misses {"error":"away: ECONNREFUSED","suppressed":2}',
  ]);
  expect((await metrics.scrape()).text).toContain('assent_redis_errors_total{operation="get"} 4');
});

it('tells of the database by the texts of errors alone: they carry statements and their values', () => {
  const fault = Object.assign(new Error('timeout', { cause: 'a cause that is no error' }), {
    ...{ sql: 'SELECT 1', values: ['secret'] },
  });
  observe.databaseFault(fault);
  expect(said).toEqual(['error PostgreSQL could not answer {"error":"timeout","suppressed":0}']);
});

it('says once for each reason why no events are heard, also when they take turns, and again after they were', () => {
  for (let tries = 0; tries < 3; tries += 1) {
    observe.events.state('stale', 'CONNECTION_REFUSED');
    observe.events.state('stale', 'AUTHORIZATION_VIOLATION');
  }
  observe.events.state('live', 'JetStream');
  observe.events.state('stale', 'AUTHORIZATION_VIOLATION');
  expect(said.map((line) => line.slice(0, 24))).toEqual([
    'warn not listening to ev',
    'warn not listening to ev',
    'info listening to events',
    'warn not listening to ev',
  ]);
});

it('does not go on for ever about reasons that are never the same', () => {
  for (let tries = 0; tries < 1_000; tries += 1) observe.events.state('stale', `no answer to request ${tries}`);
  expect(said).toHaveLength(20);
});

it('says of a defect that comes with every call what is said of other faults', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  for (let count = 0; count < 3; count += 1) observe.defect(new Error('null in column "name"'));
  vi.advanceTimersByTime(5_000);
  observe.defect(new Error('another'));
  expect(said.map((line) => /^error a defect.*"suppressed":(\d+)/.exec(line)?.[1])).toEqual(['0', '2']);
  expect((await metrics.scrape()).text).toContain('assent_defects_total 4');
});
