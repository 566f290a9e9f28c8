/** What a door is, what it is made with, and the limits that all of them keep. */
import type { Address, Config } from '../config.ts';
import type { Dispatcher } from './dispatch.ts';

/** What every door is made with. */
export interface DoorOptions {
  readonly address: Address;
  readonly tls: Config['tls'];
  readonly dispatcher: Dispatcher;
  readonly keepalive: Keepalive;
}

/** What the process knows of a door. */
export interface Door {
  /** Listens; resolves to the address as people write it. */
  listen(): Promise<string>;
  /** Says whether calls are welcome, to whoever asks for health. */
  setServing(serving: boolean): void;
  /** Takes no new calls and waits for those under way, at most `timeoutMs`; then ends them. */
  stop(timeoutMs: number): Promise<void>;
}

/** Limits of both doors. */
export const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
export const MAX_STREAMS_PER_CONNECTION = 1_000;
/** Of all headers of a request together; without a limit Node takes 16 MB. */
export const MAX_HEADER_BYTES = 65_536;

/**
 * Streams that a caller may reset at once, and in a second. Each call that runs into its deadline is reset by its caller:
 * with Node's own 1,000 and 33, an overload would cost the connection, with all calls on it.
 */
export const HTTP2_RESETS = { streamResetBurst: 10_000, streamResetRate: 1_000 };

/** What a door on Node's HTTP/2 lets a connection do. */
export const HTTP2_OPTIONS = {
  ...HTTP2_RESETS,
  settings: { maxConcurrentStreams: MAX_STREAMS_PER_CONNECTION, maxHeaderListSize: MAX_HEADER_BYTES },
  /**
   * In megabytes: answers that the caller does not read, and what nghttp2 needs. Node's own 10 would refuse the streams of a
   * caller that asks for large answers on all that it may open.
   */
  maxSessionMemory: 256,
};

/** How a door with TLS knows its callers: by certificates of these authorities, where there are any. */
export const clientCertificates = (clientCa: string | null) =>
  // A list: Node takes an empty text for none, and then trusts its own list of public authorities.
  clientCa === null ? {} : { ca: [clientCa], requestCert: true, rejectUnauthorized: true };

/** How a door finds peers that vanished without a word, so that their connections do not pile up. */
export interface Keepalive {
  /** How often a connection is pinged. */
  readonly intervalMs: number;
  /** How long it may take to answer. */
  readonly timeoutMs: number;
}

export const KEEPALIVE: Keepalive = { intervalMs: 60_000, timeoutMs: 20_000 };
