/** How each metric of several workers becomes one. */
import { expect, it } from 'vitest';
import { createMetrics, type MetricsSnapshot } from '../../../src/telemetry/metrics.ts';
import { createWorkerMetrics } from '../../../src/telemetry/worker-metrics.ts';

/** The metrics of a worker that has done everything `times`. */
const snapshotOf = async (times: number, live: boolean, lag: number | null = times): Promise<MetricsSnapshot> => {
  const metrics = createMetrics();
  metrics.observe({
    memoryEntries: () => times,
    readsWaiting: () => times,
    connectionsHeld: () => times,
    subscription: { mode: 'stream', live: () => live },
    lagMs: () => times * 1_000,
  });
  metrics.eventLag(lag);
  metrics.badDynamicRoles(times);
  for (let time = 0; time < times; time += 1) {
    metrics.call('GetUser', 0, 0.25);
    metrics.decision('ROLE_GRANTS', 'memory');
    metrics.event('applied');
    metrics.redisError('get');
    metrics.redisRefused('expired');
    metrics.callShed();
    metrics.databaseFault();
    metrics.readRefused('overload');
    metrics.unreadableValue();
    metrics.policyReload(true);
    metrics.keyRefresh('refreshed');
    metrics.defect();
  }
  // As it comes from another process.
  return JSON.parse(JSON.stringify(await metrics.snapshot()));
};
const ours = (text: string): Readonly<Record<string, number>> =>
  Object.fromEntries(
    text
      .split('\n')
      .filter((line) => line.startsWith('assent_') && !line.includes('_bucket{'))
      .map((line) => line.split(' '))
      .map(([name, value]) => [name, Number(value)] as const)
      // A counter without a count.
      .filter(([name, value]) => value !== 0 || /^assent_(?:workers|events_live)|^[^{]*$/.test(name ?? '')),
  );

/** Of workers that did everything so many times together. */
const counted = (times: number): Readonly<Record<string, number>> => ({
  'assent_requests_total{method="GetUser",code="OK"}': times,
  'assent_request_duration_seconds_sum{method="GetUser"}': times / 4,
  'assent_request_duration_seconds_count{method="GetUser"}': times,
  'assent_decisions_total{reason="ROLE_GRANTS",source="memory"}': times,
  'assent_events_total{outcome="applied"}': times,
  'assent_redis_errors_total{operation="get"}': times,
  'assent_redis_refused_total{reason="expired"}': times,
  assent_calls_shed_total: times,
  assent_database_faults_total: times,
  'assent_database_reads_refused_total{reason="overload"}': times,
  assent_bad_dynamic_roles_total: times,
  assent_unreadable_values_total: times,
  'assent_policy_reloads_total{outcome="ok"}': times,
  'assent_key_refreshes_total{outcome="refreshed"}': times,
  assent_defects_total: times,
});
const workers = (answering: number, silent: number): Readonly<Record<string, number>> => ({
  'assent_workers{state="answering"}': answering,
  'assent_workers{state="silent"}': silent,
});

it('counters and cache sizes of workers are added; the lag is their maximum, the live subscription their minimum', async () => {
  const metrics = createWorkerMetrics();
  metrics.take(1, await snapshotOf(5, true));
  metrics.take(2, await snapshotOf(3, false));
  const text = await metrics.text(new Set([1, 2]), 2);
  expect(ours(text)).toEqual({
    ...counted(8),
    ...workers(2, 0),
    assent_memory_entries: 8,
    assent_database_reads_waiting: 8,
    assent_connections_held: 8,
    assent_events_lag_messages: 5,
    assent_events_lag_seconds: 5,
    'assent_events_live{mode="stream"}': 0,
  });
  expect(text).toContain('assent_request_duration_seconds_bucket{le="0.25",method="GetUser"} 8');
});

it('only the counters of a silent or ended worker stay in the metrics', async () => {
  const metrics = createWorkerMetrics();
  metrics.take(1, await snapshotOf(5, true));
  metrics.take(2, await snapshotOf(3, false));
  metrics.take(3, await snapshotOf(7, false));
  metrics.ended(3);
  metrics.ended(4);
  const gauges = {
    assent_database_reads_waiting: 5,
    assent_connections_held: 5,
    assent_memory_entries: 5,
    assent_events_lag_messages: 5,
    assent_events_lag_seconds: 5,
  };
  expect(ours(await metrics.text(new Set([1]), 4))).toEqual({
    ...counted(15),
    ...workers(1, 3),
    ...gauges,
    'assent_events_live{mode="stream"}': 1,
  });
  metrics.ended(2);
  metrics.ended(1);
  const text = await metrics.text(new Set(), 4);
  expect(ours(text)).toEqual({ ...counted(15), ...workers(0, 4) });
  expect(text).toContain('assent_request_duration_seconds_bucket{le="0.1",method="GetUser"} 0');
});

it('the lag behind the stream is that of the workers that know it', async () => {
  const metrics = createWorkerMetrics();
  metrics.take(1, await snapshotOf(1, true, 0));
  metrics.take(2, await snapshotOf(1, false, null));
  const lag = async (...workers: readonly number[]) =>
    ours(await metrics.text(new Set(workers), 2))['assent_events_lag_messages'];
  expect(await lag(1, 2)).toBe(0);
  expect(await lag(2)).toBeUndefined();
});
