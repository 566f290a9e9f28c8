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
