/** The probes and metrics endpoints of the HTTP server. They need no authentication. */
import type { Scrape } from '../telemetry/metrics.ts';

/** An answer in plain HTTP. */
export interface EndpointAnswer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

/** Answers a request that is no call. Never rejects. */
export type Endpoints = (method: string | undefined, url: string | undefined) => Promise<EndpointAnswer>;

/** Creates the endpoints: `/livez`, `/readyz` and `/metrics`. */
export function createEndpoints(metrics: Scrape, isServing: () => boolean): Endpoints {
  return async (method, url) => {
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
}

function plain(status: number, text: string): EndpointAnswer {
  return { status, type: 'text/plain', text: `${text}\n` };
}
