/** The plain pages of the HTTP door: probes and metrics, open to whoever reaches the port. */
import type { Scrape } from '../telemetry/metrics.ts';

/** One page as it is sent. */
export interface PageAnswer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

/** Answers a request for a page. Never rejects. */
export type Pages = (method: string | undefined, url: string | undefined) => Promise<PageAnswer>;

const plain = (status: number, text: string): PageAnswer => ({ status, type: 'text/plain', text: `${text}\n` });

export const createPages =
  (metrics: Scrape, isServing: () => boolean): Pages =>
  async (method, url) => {
    if (method !== 'GET' && method !== 'HEAD') return plain(404, 'not found');
    switch ((url ?? '').split('?', 1)[0]) {
      case '/livez':
        return plain(200, 'ok');
      case '/readyz':
        return isServing() ? plain(200, 'ok') : plain(503, 'not serving');
      case '/metrics':
        try {
          const { text, contentType } = await metrics();
          return { status: 200, type: contentType, text };
        } catch {
          return plain(500, 'the metrics could not be collected');
        }
      default:
        return plain(404, 'not found');
    }
  };
