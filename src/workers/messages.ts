/** The messages between the primary process and its workers. */
import type { MetricsSnapshot } from '../telemetry/metrics.ts';

/** From a worker to the primary. */
export type WorkerMessage =
  /** The worker takes messages from now on; an earlier message to it is lost. */
  | { readonly type: 'assent:started' }
  /** The worker's servers listen and it can answer. */
  | { readonly type: 'assent:serving'; readonly addresses: Readonly<Record<string, string>> }
  /** Requests the metrics of all workers, for a scrape of this worker. */
  | { readonly type: 'assent:scrape'; readonly id: number }
  /** The worker's own metrics, after `assent:collect`. */
  | { readonly type: 'assent:collected'; readonly id: number; readonly metrics: MetricsSnapshot };

/** From the primary to a worker. */
export type PrimaryMessage =
  | { readonly type: 'assent:stop' }
  /** The policy, the callers and the TLS files are read again. */
  | { readonly type: 'assent:reload' }
  /** A random key that the workers of one replica share. */
  | { readonly type: 'assent:key'; readonly key: string }
  /** The health of the service as a whole. */
  | { readonly type: 'assent:health'; readonly serving: boolean }
  /** Requests the worker's own metrics. */
  | { readonly type: 'assent:collect'; readonly id: number }
  /** The metrics of all workers, after `assent:scrape`. */
  | { readonly type: 'assent:scraped'; readonly id: number; readonly text: string };

/** True for one of these messages. Libraries send others over the same channel. */
export function isAssentMessage<Message extends WorkerMessage | PrimaryMessage>(value: unknown): value is Message {
  return hasType(value) && typeof value.type === 'string' && value.type.startsWith('assent:');
}

function hasType(value: unknown): value is { readonly type: unknown } {
  return typeof value === 'object' && value !== null && 'type' in value;
}
