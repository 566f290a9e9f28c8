/** Refuses a call before anything of it is read: RESOURCE_EXHAUSTED in the protocol of its content type. */
import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { AssentError } from '../../errors.ts';
import { errorStatus } from '../../rpc/status.ts';
import { errorTrailers } from '../grpc/status.ts';

/** When a refused caller may try again, in milliseconds. An overload that lasts is not over earlier. */
const RETRY_AFTER_MS = 1_000;

const MESSAGE = 'The service is asked for more than it can answer: try again later.';
const END_STREAM = { endStream: true, sendDate: false };

/** Whether a call may be refused. Health is for orchestrators, and the probes and metrics show the overload. */
export function isRefusable(headers: IncomingHttpHeaders): boolean {
  const path = headers[':path'] ?? '';
  return !EXEMPT.some((prefix) => path.startsWith(prefix));
}

const EXEMPT = ['/grpc.health.v1.Health/', '/livez', '/readyz', '/metrics'];

/** Refuses the call. */
export function refuse(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
  stream.on('error', ignore);
  if (stream.destroyed || stream.closed) return;
  if (headers['content-type']?.startsWith('application/grpc') === true) stream.respond([...GRPC], END_STREAM);
  else {
    stream.respond([...HTTP]);
    stream.end(BODY);
  }
  // The caller need not send the rest (RFC 9113, section 8.1).
  stream.close(constants.NGHTTP2_NO_ERROR);
}

/** The error of a call that is refused in an overload. */
export function overloaded(): AssentError {
  return new AssentError('OVERLOADED', MESSAGE, { retryAfterMs: RETRY_AFTER_MS });
}

function ignore(): void {}

const GRPC: readonly string[] = grpcHeaders();
const BODY = JSON.stringify({ code: 'resource_exhausted', message: MESSAGE });
const HTTP = [
  ...[':status', '429', 'content-type', 'application/json', 'cache-control', 'no-store'],
  ...['retry-after', String(RETRY_AFTER_MS / 1_000)],
] as const;

function grpcHeaders(): readonly string[] {
  const trailers = errorTrailers(errorStatus(overloaded(), () => {}));
  const pairs = Object.entries(trailers).flatMap(([name, value]) => [name, String(value)]);
  return [':status', '200', 'content-type', 'application/grpc', ...pairs];
}
