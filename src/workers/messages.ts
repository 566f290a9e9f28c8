/** What the primary process and its workers tell each other. */
import type { MetricsSnapshot } from '../telemetry/metrics.ts';

/** From a worker to the primary. */
export type WorkerMessage =
  /** The worker takes messages from now on: one that was sent before is lost. */
  | { readonly type: 'assent:started' }
  /** The doors are open and the worker can answer. */
  | { readonly type: 'assent:serving'; readonly addresses: Readonly<Record<string, string>> }
  /** Somebody asked this worker for the metrics of all. */
  | { readonly type: 'assent:scrape'; readonly id: number }
  /** The worker's own metrics, as it was asked for them. */
  | { readonly type: 'assent:told'; readonly id: number; readonly metrics: MetricsSnapshot };

/** From the primary to a worker. */
export type PrimaryMessage =
  | { readonly type: 'assent:stop' }
  /** A random key that the workers of one replica share. */
  | { readonly type: 'assent:key'; readonly key: string }
  /** Whether the service as a whole serves. */
  | { readonly type: 'assent:whole'; readonly serving: boolean }
  /** Asks for the worker's own metrics. */
  | { readonly type: 'assent:tell'; readonly id: number }
  | { readonly type: 'assent:scraped'; readonly id: number; readonly text: string };

const hasType = (value: unknown): value is { readonly type: unknown } =>
  typeof value === 'object' && value !== null && 'type' in value;

/** Whether a message of the process channel, which libraries use too, is one of these. */
export const isOurs = <Message extends WorkerMessage | PrimaryMessage>(value: unknown): value is Message =>
  hasType(value) && typeof value.type === 'string' && value.type.startsWith('assent:');
