/** Writes the answers of the endpoints, and bounds the requests of one connection of HTTP/1.1. */
import { type HttpHandler, writeAnswer } from './connect/connect-handler.ts';
import { connectionOfRequest, type HttpRequest } from './connect/http-call.ts';
import { dropHeaders } from './drop-headers.ts';
import type { Endpoints } from './endpoints.ts';

/** Requests in a second on one connection. A balancer asks a few times. */
const MAX_PER_SECOND = 20;

/** The requests of one connection of HTTP/1.1. */
interface Connection {
  underWay: boolean;
  /** Says that the connection ends: nothing is answered after it. */
  ending: boolean;
  /** The beginning of the second that is counted, and its requests. */
  second: number;
  requests: number;
}

/**
 * Creates the handler.
 * @param beforeAnswer Called when an answer is about to go out.
 */
export function createEndpointHandler(endpoints: Endpoints, beforeAnswer: HttpHandler): HttpHandler {
  const connections = new WeakMap<object, Connection>();
  return (request, response) => {
    const connection = request.httpVersionMajor === 1 ? connectionOf(connections, request) : null;
    if (connection?.ending === true) return;
    // guard: pipelined-probes
    const pipelined = connection?.underWay === true;
    if (connection !== null) {
      connection.ending = pipelined || isTooFast(connection);
      if (connection.ending) {
        response.setHeader('connection', 'close');
        connectionOfRequest(request).lastRequest();
      }
      connection.underWay = true;
    }
    if (pipelined) {
      const headers = { 'content-type': 'text/plain', 'retry-after': '1' };
      writeAnswer(response, 429, headers, 'one request at a time: wait for the answer before the next request\n');
      return;
    }
    const { method, url } = request;
    dropHeaders(request.headers, request.rawHeaders);
    void endpoints(method, url).then(({ status, type, body }) => {
      if (status === 404) connectionOfRequest(request).refused();
      beforeAnswer(request, response);
      if (connection !== null) response.once('close', () => (connection.underWay = false));
      const headers = { 'content-type': type, 'content-length': String(body.length) };
      writeAnswer(response, status, headers, method === 'HEAD' ? '' : body);
    });
  };
}

function connectionOf(connections: WeakMap<object, Connection>, { socket }: HttpRequest): Connection {
  const known = connections.get(socket);
  if (known !== undefined) return known;
  const connection = { underWay: false, ending: false, second: 0, requests: 0 };
  connections.set(socket, connection);
  return connection;
}

function isTooFast(connection: Connection): boolean {
  const now = performance.now();
  if (now - connection.second >= 1_000) {
    connection.second = now;
    connection.requests = 0;
  }
  connection.requests += 1;
  // guard: probes-a-second
  return connection.requests >= MAX_PER_SECOND;
}
