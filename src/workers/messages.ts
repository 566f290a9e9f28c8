/** What the primary process and its workers tell each other. */

/** From a worker to the primary. */
export type WorkerMessage =
  /** The doors are open and the worker can answer. */
  | { readonly type: 'assent:serving'; readonly addresses: Readonly<Record<string, string>> }
  /** Somebody asked this worker for the metrics of all. */
  | { readonly type: 'assent:scrape'; readonly id: number };

/** From the primary to a worker. */
export type PrimaryMessage =
  | { readonly type: 'assent:stop' }
  /** Whether the service as a whole serves. */
  | { readonly type: 'assent:whole'; readonly serving: boolean }
  | { readonly type: 'assent:scraped'; readonly id: number; readonly text: string | null };

const hasType = (value: unknown): value is { readonly type: unknown } =>
  typeof value === 'object' && value !== null && 'type' in value;

/** Whether a message of the process channel, which libraries use too, is one of these. */
export const isOurs = <Message extends WorkerMessage | PrimaryMessage>(value: unknown): value is Message =>
  hasType(value) && typeof value.type === 'string' && value.type.startsWith('assent:');
