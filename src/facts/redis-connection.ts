/** Connections to Redis, whichever form its deployment has. Reads and writes go to primaries only. */
import { connectToCluster } from './redis-cluster.ts';
import type { RedisLocation } from './redis-location.ts';
import { connectToServer, type RedisConnection, type RedisConnectionOptions } from './redis-server.ts';

/** Connects in the background; never fails and never waits for the connection. */
export function connectToRedis(location: RedisLocation, options: RedisConnectionOptions): RedisConnection {
  return typeof location === 'object' && location.kind === 'cluster'
    ? connectToCluster(location, options)
    : connectToServer(location, options);
}
