/** What a Redis or NATS server is, however it was started. */
import type { ServerPackage } from './debian-packages.ts';
import type { Origin } from './server-program.ts';

/** How a Redis or NATS server is set up. */
export interface ServerOptions {
  /** The port of 127.0.0.1; a free one by default. Implies `own`. */
  port?: number;
  /** Holds the server's data and is kept at its stop; by default a temporary one, removed then. Implies `own`. */
  folder?: string;
  /** Arguments after ours, which they override. Implies `own`. */
  args?: readonly string[];
  /** The text of its configuration file; NATS only. Implies `own`. */
  config?: string;
  /** Never a server that runs already (`REDIS_URL`, `NATS_URL`): one that may be killed, restarted and emptied. */
  own?: boolean;
}

/** A Redis or NATS server that serves. */
export interface Server {
  readonly url: string;
  readonly port: number;
  /** `environment` for a server that was already running: stop does not end it, and it may hold the user's data. */
  readonly origin: Origin;
  /** Its process, while it runs as one of ours. */
  readonly pid: number | undefined;
  /** Its data, where they are in a folder of this machine. */
  readonly folder: string | undefined;
  /** The last 64 KiB of its log since its last start, where we have it. */
  log(): string;
  /** Sends a signal; resolves at the end of the process for one that ends it, else at once. Not for `environment`. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /**
   * Ends it in good order if it runs, and starts it on the same port, with the data in its folder, or with none for
   * `empty`. Not for `environment`.
   */
  restart(options?: { empty?: boolean }): Promise<void>;
  /** Ends it and removes what it left. May be called more than once. */
  stop(): Promise<void>;
}

/** What differs between Redis and NATS. */
export interface ServerKind {
  service: 'redis' | 'nats';
  package: ServerPackage;
  /** The port inside a container. */
  containerPort: number;
  /** The environment variable that may name a server, and whether one answers there. */
  variable: string;
  answers(url: string): Promise<boolean>;
  args(where: { host: string; port: number; folder: string; config: string | undefined }): string[];
  url(port: number): string;
  ready: RegExp;
}
