/** The limits of every server, and the options of HTTP/2 that carry them. */

import type { ServerOptions } from 'node:http2';
import { ARRIVAL_MS } from './arrivals.ts';

/** The largest message, compressed or not. */
export const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;

/** The largest request of health and reflection, which is a name or two. Health is open to everyone. */
export const MAX_SMALL_MESSAGE_BYTES = 4_096;

/**
 * Streams that a client may have open on a connection. In an overload they all wait in the server: 250 take 7 ms of a core. Two
 * clients with 250 calls under way each are more than PostgreSQL answers in a second at a distance of 200 ms.
 */
export const MAX_STREAMS_PER_CONNECTION = 250;

/**
 * Streams of a connection on which no call has authenticated. Clients take 100 for granted until the settings of the server have
 * come, so an honest one never opens more. Node makes the streams of one piece of 64 KB before any of its events, each with its
 * headers: 250 of them with headers of 50 KB take 45 ms.
 */
export const MAX_STREAMS_OF_STRANGER = 100;

/** All headers of a request together. Node takes 16 MB by default. */
const MAX_HEADER_BYTES = 65_536;

/** The options of every HTTP/2 server. @param maxConcurrentStreams Of a connection on which no call has authenticated. */
export function http2Options(maxConcurrentStreams: number): ServerOptions {
  return { ...HTTP2_OPTIONS, settings: { maxConcurrentStreams, maxHeaderListSize: MAX_HEADER_BYTES } };
}

const HTTP2_OPTIONS = {
  /**
   * The number of streams that a caller may reset at once and per second. A call that runs into its deadline is reset by its
   * caller. With Node's own 1,000 and 33 an overload would cost the connection and all calls on it.
   */
  streamResetBurst: 10_000,
  streamResetRate: 1_000,
  /**
   * Megabytes for answers that the caller has not read, and for nghttp2. Node's own 10 would refuse streams of a caller that
   * asks for large answers on all the streams that it may open.
   */
  maxSessionMemory: 256,
  /**
   * The number of streams that Node and nghttp2 refuse by themselves in the life of a connection: streams that a client opened
   * before it could know of a smaller limit, or in place of reset streams that Node has not taken down. With Node's own 100 and
   * 1,000 an overload would cost the connection.
   */
  maxSessionRejectedStreams: 100_000,
  maxSessionInvalidFrames: 100_000,
};

/**
 * The time, in milliseconds, that a request of HTTP/1.1 has for its headers, and as a whole with its body. Node's own are a
 * minute and five, and it looks twice a minute.
 */
export const HTTP1_TIMES = { headersTimeout: 10_000, requestTimeout: ARRIVAL_MS, connectionsCheckingInterval: 2_000 };

/** How a server finds peers that vanished without a word, so that their connections do not pile up. */
export interface Keepalive {
  /** The time between two PINGs on a connection. */
  readonly intervalMs: number;
  /** The time that a PING may take to be answered. */
  readonly timeoutMs: number;
}

export const KEEPALIVE: Keepalive = { intervalMs: 60_000, timeoutMs: 20_000 };
