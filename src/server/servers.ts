/** The servers: gRPC on one address; gRPC, Connect, gRPC-Web, probes and metrics on another; probes and metrics on a third. */
import type { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { createServer as createHttp2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { Config } from '../config/index.ts';
import type { Scrape } from '../telemetry/metrics.ts';
import { Arrivals } from './arrivals.ts';
import { createConnectHandler, type HttpHandler } from './connect/connect-handler.ts';
import { connectionOf } from './connection.ts';
import type { Connections } from './connections.ts';
import { createEndpointHandler } from './endpoint-handler.ts';
import { createEndpoints } from './endpoints.ts';
import { codecOf, createGrpcHandler, type GrpcHandler } from './grpc/grpc-handler.ts';
import { createHealth } from './health.ts';
import { KEEPALIVE, type Keepalive, MAX_STREAMS_PER_CONNECTION } from './limits.ts';
import { createHttp1, createListener, type Http1Bounds, type Listener } from './listener.ts';
import type { Method, UnaryMethod } from './methods.ts';
import { createLoadControl, type LoadControl } from './overload/load-control.ts';
import type { Pipeline } from './pipeline.ts';
import { reflectionMethods } from './reflection.ts';
import { StrangerLine } from './stranger-line.ts';

/** A server as the log names it. */
export interface NamedServer extends Pick<Listener, 'listen' | 'setTls'> {
  readonly name: 'grpc' | 'http' | 'metrics';
  /** From now on each answer of HTTP/1.1 is the last one of its connection. Connections and calls are still taken. */
  drain(): void;
  /** As {@link Listener.stop}. */
  stop(timeoutMs: number): Promise<void>;
}

export interface Servers {
  /** In the order in which they begin to listen. */
  readonly all: readonly NamedServer[];
  /** Says whether calls are welcome, to everyone who asks for health. */
  setServing(serving: boolean): void;
  /** As {@link NamedServer.drain}, on all of them. */
  drain(): void;
  /** As {@link Listener.setTls}, on all of them. */
  setTls(tls: NonNullable<Config['tls']>): void;
}

export interface ServersOptions
  extends Pick<Config, 'grpcAddress' | 'httpAddress' | 'metricsAddress' | 'socketMode' | 'tls'> {
  readonly pipeline: Pipeline;
  readonly connections: Connections;
  /** The time, in milliseconds, for the message of a call to come. */
  readonly arrivalMs?: number;
  /** The methods of the API. Health and reflection come with the servers. */
  readonly api: readonly Method[];
  /** The content of `/metrics`. */
  readonly metrics: Scrape;
  readonly keepalive?: Keepalive;
  /** Refuses calls that cannot be answered in time; the same for all addresses. */
  readonly load?: LoadControl;
  readonly http1Bounds?: Http1Bounds;
  readonly firstBytesMs?: number;
}

/** Creates the servers of a configuration; nothing listens before {@link Listener.listen}. */
export function createServers(options: ServersOptions): Servers {
  const { pipeline, connections, api, grpcAddress, httpAddress, metricsAddress, tls, firstBytesMs } = options;
  const { keepalive = KEEPALIVE } = options;
  const health = createHealth();
  const methods = [...api, ...health.methods, ...reflectionMethods()];
  const { load = createLoadControl({ maxStreams: MAX_STREAMS_PER_CONNECTION, onShed: () => {} }) } = options;
  const common = {
    socketMode: options.socketMode,
    tls,
    keepalive,
    connections,
    load,
    strangerLine: new StrangerLine(),
    ...(firstBytesMs === undefined ? {} : { firstBytesMs }),
  };
  const grpc = (): GrpcHandler => createGrpcHandler(pipeline, methods, new Arrivals(options.arrivalMs));
  const all: NamedServer[] = [createGrpcServer({ ...common, address: grpcAddress }, grpc())];
  if (httpAddress !== null) {
    all.push(createHttpServer({ ...common, address: httpAddress }, grpc(), health.isServing, options));
  }
  if (metricsAddress !== null) {
    all.push(createMetricsServer({ ...common, address: metricsAddress }, health.isServing, options));
  }
  const drain = (): void => {
    for (const server of all) server.drain();
  };
  const setTls: Servers['setTls'] = (changed) => {
    for (const server of all) server.setTls(changed);
  };
  return { all, setServing: health.setServing, drain, setTls };
}

type Place = Pick<
  Parameters<typeof createListener>[0],
  'address' | 'socketMode' | 'tls' | 'keepalive' | 'connections' | 'load' | 'strangerLine' | 'firstBytesMs'
>;

function createGrpcServer(place: Place, grpc: GrpcHandler): NamedServer {
  const listener = createListener({
    ...place,
    http1: null,
    onStream: (stream, headers) => {
      if (codecOf(headers['content-type']) === null) refuseType(stream);
      else grpc.serve(stream, headers);
    },
  });
  return {
    name: 'grpc',
    listen: listener.listen,
    setTls: listener.setTls,
    drain: () => {},
    stop: (timeoutMs) => listener.stop(timeoutMs, grpc.endStreams),
  };
}

function createHttpServer(
  place: Place,
  grpc: GrpcHandler,
  isServing: () => boolean,
  { pipeline, api, metrics, metricsAddress, http1Bounds, arrivalMs }: ServersOptions,
): NamedServer {
  const lastAnswers = createLastAnswers();
  const endpoints = createEndpoints(metricsAddress === null ? metrics : null, isServing);
  const handler = createConnectHandler({
    pipeline,
    arrivals: new Arrivals(arrivalMs),
    methods: api.filter((method): method is UnaryMethod => method.kind === 'unary'),
    beforeAnswer: lastAnswers.beforeAnswer,
    fallback: createEndpointHandler(endpoints, lastAnswers.beforeAnswer),
  });
  const http1 = createHttp1(http1Bounds);
  // Makes requests and responses of streams; it listens nowhere.
  const http2 = createHttp2Server();
  answerAll(http1, counted(handler, place.strangerLine));
  answerAll(http2, handler);
  const listener = createListener({
    ...place,
    http1,
    onStream: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, ...rest: readonly unknown[]) => {
      if (codecOf(headers['content-type']) === null) http2.emit('stream', stream, headers, ...rest);
      else grpc.serve(stream, headers);
    },
  });
  return {
    name: 'http',
    listen: listener.listen,
    setTls: listener.setTls,
    drain: lastAnswers.begin,
    stop: (timeoutMs) => {
      lastAnswers.begin();
      return listener.stop(timeoutMs, grpc.endStreams);
    },
  };
}

/** Metrics and probes by HTTP/1.1 without TLS, also where callers need certificates: nothing here is about people. */
function createMetricsServer(
  place: Place,
  isServing: () => boolean,
  { metrics, http1Bounds }: ServersOptions,
): NamedServer {
  const lastAnswers = createLastAnswers();
  const http1 = createHttp1(http1Bounds);
  const handler = createEndpointHandler(createEndpoints(metrics, isServing), lastAnswers.beforeAnswer);
  answerAll(http1, counted(handler, place.strangerLine));
  const listener = createListener({ ...place, tls: null, http1, onStream: null });
  return {
    name: 'metrics',
    listen: listener.listen,
    setTls: listener.setTls,
    drain: lastAnswers.begin,
    stop: (timeoutMs) => {
      lastAnswers.begin();
      return listener.stop(timeoutMs);
    },
  };
}

/** Marks answers of HTTP/1.1 as the last ones of their connections once a stop has begun: HTTP/1.1 has no GOAWAY. */
function createLastAnswers(): { readonly beforeAnswer: HttpHandler; begin(): void } {
  let begun = false;
  return {
    begin: () => {
      begun = true;
    },
    beforeAnswer: (request, response) => {
      if (request.httpVersionMajor > 1) return;
      const { ending, exhausted } = connectionOf(request.socket);
      if (begun || ending || exhausted) response.setHeader('connection', 'close');
    },
  };
}

/** Counts requests of HTTP/1.1 on their connections. One of HTTP/2 is counted as its stream. */
function counted(handler: HttpHandler, line: StrangerLine): HttpHandler {
  return (request, response) => {
    const connection = connectionOf(request.socket);
    if (!connection.request(response as ServerResponse)) return;
    if (connection.known) handler(request, response);
    else {
      line.run(
        () => handler(request, response),
        () => response.destroyed,
      );
    }
  };
}

/** Answers a request that is not gRPC where only gRPC is spoken. */
function refuseType(stream: ServerHttp2Stream): void {
  connectionOf(stream.session).refused();
  stream.on('error', () => {});
  stream.respond({ ':status': 415, 'content-type': 'text/plain', 'accept-post': 'application/grpc' });
  stream.end('This address speaks gRPC: use the content type application/grpc.\n');
  stream.resume();
}

/**
 * Answers the requests of a server, also requests that expect `100-continue`: Node itself writes it to a caller that has reset its
 * stream already, which throws and would end the process.
 */
function answerAll(server: EventEmitter, handler: HttpHandler): void {
  const answer: HttpHandler = (request, response) => {
    // The reader of a request and the writer of an answer stop listening when they are done. A connection that breaks off in
    // that moment would end the process.
    request.on('error', () => {});
    response.on('error', () => {});
    handler(request, response);
  };
  server.on('request', answer);
  server.on('checkContinue', (...[request, response]: Parameters<HttpHandler>) => {
    try {
      response.writeContinue();
    } catch {
      return;
    }
    answer(request, response);
  });
}
