import { expect, it } from 'vitest';
import { createMetrics } from '../../../src/telemetry/metrics.ts';

const linesOf = (text: string, name: string): readonly string[] =>
  text.split('\n').filter((line) => line.startsWith(`${name}{`));

it('metrics count calls and decisions by their labels, and keep counting over scrapes', async () => {
  const metrics = createMetrics();
  for (let call = 0; call < 3; call += 1) metrics.call('CheckPermission', 0, 0.001);
  metrics.call('CheckPermission', 14, 0.001);
  metrics.call('GetUser', 0, 0.001);
  metrics.decision('ROLE_GRANTS', 'memory');
  await metrics.scrape();
  metrics.decision('ROLE_GRANTS', 'memory');
  metrics.decision('ROLE_GRANTS', 'redis');
  const { text } = await metrics.scrape();
  expect(linesOf(text, 'assent_requests_total')).toEqual([
    'assent_requests_total{method="CheckPermission",code="OK"} 3',
    'assent_requests_total{method="CheckPermission",code="UNAVAILABLE"} 1',
    'assent_requests_total{method="GetUser",code="OK"} 1',
  ]);
  expect(linesOf(text, 'assent_decisions_total')).toEqual([
    'assent_decisions_total{reason="ROLE_GRANTS",source="memory"} 2',
    'assent_decisions_total{reason="ROLE_GRANTS",source="redis"} 1',
  ]);
  expect(text).toContain('assent_request_duration_seconds_count{method="CheckPermission"} 4');
});

it('metrics count calls and refusals by caller, and further names as one after 2,000', async () => {
  const metrics = createMetrics();
  metrics.callerCall('orders', 0);
  metrics.callerCall('orders', 0);
  metrics.callerCall('orders', 7);
  metrics.callerRefused('orders', 'CALLER_METHOD_NOT_ALLOWED');
  metrics.callerRefused(null, 'CALLER_UNAUTHENTICATED');
  for (let caller = 1; caller <= 2_003; caller += 1) metrics.callerCall(`caller-${caller}`, 0);
  const { text } = await metrics.scrape();
  const calls = linesOf(text, 'assent_caller_requests_total');
  expect(calls.slice(0, 2)).toEqual([
    'assent_caller_requests_total{caller="orders",code="OK"} 2',
    'assent_caller_requests_total{caller="orders",code="PERMISSION_DENIED"} 1',
  ]);
  expect(calls).toHaveLength(2_002);
  expect(calls.at(-1)).toBe('assent_caller_requests_total{caller="(other)",code="OK"} 4');
  expect(linesOf(text, 'assent_caller_refusals_total')).toEqual([
    'assent_caller_refusals_total{caller="orders",reason="CALLER_METHOD_NOT_ALLOWED"} 1',
    'assent_caller_refusals_total{caller="(unauthenticated)",reason="CALLER_UNAUTHENTICATED"} 1',
  ]);
});

it('the lag behind the stream is absent from the metrics while it is unknown', async () => {
  const metrics = createMetrics();
  const said = async () => (await metrics.scrape()).text.match(/^assent_events_lag_messages.*$/m)?.[0];
  expect(await said()).toBeUndefined();
  metrics.eventLag(3);
  expect(await said()).toBe('assent_events_lag_messages 3');
  metrics.eventLag(null);
  expect(await said()).toBeUndefined();
  metrics.eventLag(0);
  expect(await said()).toBe('assent_events_lag_messages 0');
});

it('counters begin at 0, so that the first event of an alert is an increase', async () => {
  const { text } = await createMetrics().scrape();
  const counters = [...text.matchAll(/^(assent_\w+_total)(?:\{\w+="(.+)"\})? 0$/gm)].map(([, name, value]) => [
    name,
    value,
  ]);
  expect(counters).toEqual([
    ['assent_callers_reloads_total', 'ok'],
    ['assent_callers_reloads_total', 'failed'],
    ['assent_calls_shed_total', undefined],
    ['assent_events_total', 'applied'],
    ['assent_events_total', 'malformed'],
    ['assent_events_total', 'unknown'],
    ['assent_redis_errors_total', 'connect'],
    ['assent_redis_errors_total', 'get'],
    ['assent_redis_errors_total', 'set'],
    ['assent_redis_errors_total', 'delete'],
    ['assent_redis_refused_total', 'unreadable'],
    ['assent_redis_refused_total', 'overtaken'],
    ['assent_redis_refused_total', 'expired'],
    ['assent_database_faults_total', undefined],
    ['assent_database_reads_refused_total', 'overload'],
    ['assent_database_reads_refused_total', 'stalled'],
    ['assent_bad_dynamic_roles_total', undefined],
    ['assent_unreadable_values_total', undefined],
    ['assent_policy_reloads_total', 'ok'],
    ['assent_policy_reloads_total', 'failed'],
    ['assent_key_refreshes_total', 'refreshed'],
    ['assent_key_refreshes_total', 'refresh-failed'],
    ['assent_key_refreshes_total', 'key-skipped'],
    ['assent_defects_total', undefined],
  ]);
});

it('the end of the last token of each caller is a metric, and a caller that is gone has none', async () => {
  const metrics = createMetrics();
  let ends = new Map([
    ['orders', 61_000],
    ['billing', 500],
  ]);
  metrics.observeCallers(
    () => ends,
    () => 1_000,
  );
  const values = async () => (await metrics.scrape()).text.match(/^assent_caller_token_expiry_seconds.*/gm);
  expect(await values()).toEqual([
    'assent_caller_token_expiry_seconds{caller="orders"} 60',
    'assent_caller_token_expiry_seconds{caller="billing"} -0.5',
  ]);
  ends = new Map([['orders', 1_000]]);
  expect(await values()).toEqual(['assent_caller_token_expiry_seconds{caller="orders"} 0']);
});
