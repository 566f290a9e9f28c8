import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';

/** Serves one call. */
export type Serve = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;
