/** The entries of a file of callers, once it is read. */

/** A caller of the file. */
export interface CallerEntry {
  readonly name: string;
  readonly tokens: readonly TokenEntry[];
  /** Subject alternative names, as `DNS:name` with a name in lower case, or `URI:uri`. */
  readonly certificates: readonly string[];
  /** The paths of the methods that it may call; null for every method. */
  readonly methods: ReadonlySet<string> | null;
  /** Calls a second, for all workers of a replica together; null without a limit. */
  readonly rate: number | null;
  /** Calls that are not answered yet, for all workers of a replica together; null without a limit. */
  readonly inFlight: number | null;
}

/** A token of a caller. The token itself is not stored anywhere. */
export interface TokenEntry {
  /** SHA-256 of the token, as 64 hexadecimal digits in lower case. */
  readonly digest: string;
  /** From this moment on the token is unknown, in milliseconds since the epoch; null for a token without an end. */
  readonly expiresAt: number | null;
}

/** The service as far as a file of callers depends on it. */
export interface CallersPlace {
  /** Whether the servers ask for client certificates. Without them, no caller can have one. */
  readonly hasClientCertificates: boolean;
  /** The number of processes that share the limits of a replica. */
  readonly workers: number;
}
