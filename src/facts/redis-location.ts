/** The forms in which a deployment of Redis is addressed. */

/** A host and port. */
export interface RedisHost {
  readonly host: string;
  readonly port: number;
}

/** User and password; null where there is none. */
export interface RedisCredentials {
  readonly username: string | null;
  readonly password: string | null;
}

/** Sentinels, asked in order, and the name under which they know the primary. */
export interface SentinelLocation {
  readonly kind: 'sentinel';
  readonly hosts: readonly RedisHost[];
  readonly name: string;
  readonly database: number;
  /** For Redis itself. */
  readonly credentials: RedisCredentials;
  readonly sentinelCredentials: RedisCredentials;
  /** TLS to the sentinels and to Redis. */
  readonly tls: boolean;
}

/** Some servers of a cluster; they name the others. */
export interface ClusterLocation {
  readonly kind: 'cluster';
  readonly hosts: readonly RedisHost[];
  readonly credentials: RedisCredentials;
  readonly tls: boolean;
}

/** Where Redis is. One server is its URL as it is, `redis://` or `rediss://`. */
export type RedisLocation = string | SentinelLocation | ClusterLocation;
