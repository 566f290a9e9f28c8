/** The probes and metrics endpoints. They need no authentication. */
import type { Scrape } from '../telemetry/metrics.ts';
import { shareScrapes } from '../telemetry/shared-scrape.ts';

/** An answer in plain HTTP. */
export interface EndpointAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: Buffer;
}

/** Answers a request that is no call. Never rejects. */
export type Endpoints = (method: string | undefined, url: string | undefined) => Promise<EndpointAnswer>;

/**
 * Creates the endpoints: `/livez`, `/readyz` and `/metrics`.
 * @param metrics Null where another address has the metrics.
 */
export function createEndpoints(metrics: Scrape | null, isServing: () => boolean): Endpoints {
  const scrape = metrics === null ? null : shareScrapes(() => metricsAnswer(metrics));
  return async (method, url) => {
    if (method !== 'GET' && method !== 'HEAD') return NOT_FOUND;
    switch ((url ?? '').split('?', 1)[0]) {
      case '/livez':
        return OK;
      case '/readyz':
        return isServing() ? OK : NOT_SERVING;
      case '/metrics':
        return scrape === null ? ELSEWHERE : scrape().catch(() => FAILED);
      default:
        return NOT_FOUND;
    }
  };
}

const OK = plain(200, 'ok');
const NOT_SERVING = plain(503, 'not serving');
const NOT_FOUND = plain(404, 'not found');
const ELSEWHERE = plain(404, 'ASSENT_METRICS_ADDRESS is set: the metrics are served there and not on this address');
const FAILED = plain(500, 'the metrics could not be collected');

async function metricsAnswer(metrics: Scrape): Promise<EndpointAnswer> {
  const { text, contentType } = await metrics();
  return { status: 200, type: contentType, body: Buffer.from(text) };
}

function plain(status: number, text: string): EndpointAnswer {
  return { status, type: 'text/plain', body: Buffer.from(`${text}\n`) };
}
