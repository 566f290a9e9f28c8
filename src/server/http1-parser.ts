/** Node's parser of HTTP/1.1, as far as Node has no option for it. */
import type { Socket } from 'node:net';
import { connectionOf } from './connection.ts';

/** The parser of a connection (`lib/_http_server.js` of Node 24). Its callback gets each request whose headers are complete. */
interface Parser {
  onIncoming: ((request: unknown, keepAlive: boolean) => number) | null;
}

/**
 * The answer by which the callback has llhttp stop at once, and drop the rest of the piece (`llhttp_settings_s` in `llhttp.h`). A
 * pause takes effect only after the piece.
 */
const STOP = 2;

/**
 * Has the parser of a connection drop the rest of a piece once the connection takes no further request. A piece of 64 KB has
 * 1,500 requests, and Node makes the objects of each, and an error for each when the connection ends.
 */
export function dropRest(socket: Socket): void {
  const { parser } = socket as Socket & { readonly parser?: Parser | null };
  const onIncoming = parser?.onIncoming;
  if (!parser || !onIncoming) return;
  const connection = connectionOf(socket);
  parser.onIncoming = (request, keepAlive) => {
    const answer = onIncoming(request, keepAlive);
    // guard: rest-of-a-piece
    return connection.full ? STOP : answer;
  };
}
