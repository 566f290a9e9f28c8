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
/** What a door on Node's HTTP/2 lets a connection do. */
export const HTTP2_SETTINGS = { maxConcurrentStreams: MAX_STREAMS_PER_CONNECTION, maxHeaderListSize: MAX_HEADER_BYTES };

/** How a door finds peers that vanished without a word, so that their connections do not pile up. */
export interface Keepalive {
  /** How often a connection is pinged. */
  readonly intervalMs: number;
  /** How long it may take to answer. */
  readonly timeoutMs: number;
}

export const KEEPALIVE: Keepalive = { intervalMs: 60_000, timeoutMs: 20_000 };
