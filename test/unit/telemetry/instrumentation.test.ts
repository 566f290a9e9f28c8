import { beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { createInstrumentation, type Instrumentation } from '../../../src/telemetry/instrumentation.ts';
import type { Logger } from '../../../src/telemetry/log.ts';
import { createMetrics, type Metrics } from '../../../src/telemetry/metrics.ts';

interface Line {
  readonly level: string;
  readonly event: string;
  readonly [field: string]: unknown;
}

let lines: Line[];
let metrics: Metrics;
let observe: Instrumentation;
beforeEach(() => {
  lines = [];
  metrics = createMetrics();
  const write = (level: string) => (fields: { event: string }) => void lines.push({ level, ...fields });
  const log = Object.fromEntries(['debug', 'info', 'warn', 'error'].map((level) => [level, write(level)]));
  observe = createInstrumentation(log as unknown as Logger, metrics);
});

const fakePerformance = (): void => {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
};

it('a fault of Redis is logged once in five seconds with the suppressed count, and every fault is counted', async () => {
  fakePerformance();
  for (let count = 0; count < 3; count += 1) observe.redisError('get', new Error('away'));
  vi.advanceTimersByTime(5_000);
  observe.redisError('get', new Error('away', { cause: new Error('ECONNREFUSED') }));
  expect(lines).toEqual([
    { level: 'warn', event: 'redis.fault', error: 'away', suppressed: 0 },
    { level: 'warn', event: 'redis.fault', error: 'away: ECONNREFUSED', suppressed: 2 },
  ]);
  expect((await metrics.scrape()).text).toContain('assent_redis_errors_total{operation="get"} 4');
});

it('a fault of PostgreSQL is logged by its text alone, without the statement and its values', () => {
  const fault = Object.assign(new Error('timeout', { cause: 'a cause that is no error' }), {
    ...{ sql: 'SELECT 1', values: ['secret'] },
  });
  observe.databaseFault(fault);
  expect(lines).toEqual([{ level: 'error', event: 'database.fault', error: 'timeout', suppressed: 0 }]);
});

it('refused calls are logged once in five seconds for each reason, by the name of their caller', async () => {
  fakePerformance();
  for (let count = 0; count < 3; count += 1) observe.callerRefused(null, 'GetUser', 'CALLER_UNAUTHENTICATED');
  observe.callerRefused('orders', 'GetUser', 'CALLER_RATE_EXCEEDED');
  vi.advanceTimersByTime(5_000);
  observe.callerRefused(null, 'CheckPermission', 'CALLER_UNAUTHENTICATED');
  const line = { level: 'warn', event: 'callers.call_refused' };
  expect(lines).toEqual([
    { ...line, caller: null, method: 'GetUser', reason: 'CALLER_UNAUTHENTICATED', suppressed: 0 },
    { ...line, caller: 'orders', method: 'GetUser', reason: 'CALLER_RATE_EXCEEDED', suppressed: 0 },
    { ...line, caller: null, method: 'CheckPermission', reason: 'CALLER_UNAUTHENTICATED', suppressed: 2 },
  ]);
  const counted = /refusals_total\{caller="\(unauthenticated\)",reason="CALLER_UNAUTHENTICATED"\} 4/;
  expect((await metrics.scrape()).text).toMatch(counted);
});

it('a changed file of callers is logged and counted, and so is a token that has expired', async () => {
  observe.callersReload({ ok: true, problems: [] });
  observe.callersReload({ ok: false, problems: ['line 1, column 1: callers is missing.'] });
  observe.callerExpiry.onExpired('orders');
  observe.callerExpiry.onExpiring('billing', Date.parse('2027-01-31'));
  expect(lines).toEqual([
    { level: 'info', event: 'callers.reloaded' },
    { level: 'error', event: 'callers.refused', problems: ['line 1, column 1: callers is missing.'] },
    { level: 'warn', event: 'callers.token_expired', caller: 'orders' },
    { level: 'warn', event: 'callers.token_expires_soon', caller: 'billing', expires: '2027-01-31T00:00:00.000Z' },
  ]);
  expect((await metrics.scrape()).text).toContain('assent_callers_reloads_total{outcome="failed"} 1');
});

it('a stale subscription is logged once for each reason, and again after the subscription was live', () => {
  for (let tries = 0; tries < 3; tries += 1) {
    observe.events.state('stale', 'CONNECTION_REFUSED');
    observe.events.state('stale', 'AUTHORIZATION_VIOLATION');
  }
  observe.events.state('live', 'JetStream');
  observe.events.state('stale', 'AUTHORIZATION_VIOLATION');
  expect(lines).toEqual([
    { level: 'warn', event: 'events.subscription_lost', detail: 'CONNECTION_REFUSED' },
    { level: 'warn', event: 'events.subscription_lost', detail: 'AUTHORIZATION_VIOLATION' },
    { level: 'info', event: 'events.subscription_live', detail: 'JetStream' },
    { level: 'warn', event: 'events.subscription_lost', detail: 'AUTHORIZATION_VIOLATION' },
  ]);
});

it('a stale subscription whose reason changes each time is logged 20 times at most', () => {
  for (let tries = 0; tries < 1_000; tries += 1) observe.events.state('stale', `no answer to request ${tries}`);
  expect(lines).toHaveLength(20);
});

it('a defect of every call is logged once in five seconds with its stack, and every defect is counted', async () => {
  fakePerformance();
  for (let count = 0; count < 3; count += 1) observe.defect(new Error('null in column "name"'));
  vi.advanceTimersByTime(5_000);
  observe.defect(new Error('another', { cause: new Error('its cause') }), { method: 'GetUser', caller: 'orders' });
  expect(lines).toMatchObject([
    { level: 'error', event: 'call.defect', error: 'null in column "name"', suppressed: 0 },
    {
      level: 'error',
      event: 'call.defect',
      error: 'another: its cause',
      method: 'GetUser',
      caller: 'orders',
      suppressed: 2,
    },
  ]);
  expect(lines[1]?.['stack']).toMatch(/^Error: another\n +at .+\ncaused by: Error: its cause\n +at /s);
  expect((await metrics.scrape()).text).toContain('assent_defects_total 4');
});
