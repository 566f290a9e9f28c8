/** What a client is made of. */

/** Where warnings go; `console`, pino, winston and Fastify's logger fit. */
export interface AssentLogger {
  warn(message: string): void;
}

export interface TlsOptions {
  /** Certificates of the authorities that the server's certificate is judged by, PEM; those of Node when absent. */
  readonly ca?: string | Buffer | undefined;
  /** The client's certificate for mTLS, PEM, with its chain. Needs `key`. */
  readonly cert?: string | Buffer | undefined;
  /** The key of `cert`, PEM. */
  readonly key?: string | Buffer | undefined;
  /** The name that the server's certificate has to have; the host of the address when absent. */
  readonly serverName?: string | undefined;
}

export interface AssentOptions {
  /**
   * Where the service is: `dns:///assent:50051` or `assent:50051` (every address behind the name gets calls in turn),
   * `10.0.0.1:50051`, `[::1]:50051`, `unix:/run/assent.sock`; several as an array or separated by commas. Required.
   */
  readonly address: string | readonly string[];
  /**
   * The caller token, without `Bearer `. A function is asked for every call, so that a rotated token holds at once; it should
   * answer from memory. Absent: none is sent. An empty text is `MISCONFIGURED`, since an unset variable would be one.
   */
  readonly token?: string | (() => string | Promise<string>) | undefined;
  /** The whole time of a call with its retries, in milliseconds; 1,000 when absent. */
  readonly timeoutMs?: number | undefined;
  /**
   * TLS to the service: `true` for Node's certificate authorities, or options; a function is asked for each new connection, so
   * that rotated certificates hold without a restart. Absent: cleartext.
   */
  readonly tls?: boolean | TlsOptions | (() => TlsOptions) | undefined;
  /** Whether checks of one tick go out as one call, and equal ones once; true when absent. */
  readonly batching?: boolean | undefined;
  /** Where warnings go; `console` when absent, nowhere when null. */
  readonly logger?: AssentLogger | null | undefined;
  /**
   * The IP addresses behind a host name; `dns.lookup` when absent. It is asked when a connection is lost, at most once a second.
   */
  readonly lookup?: ((host: string) => Promise<readonly string[]>) | undefined;
}
