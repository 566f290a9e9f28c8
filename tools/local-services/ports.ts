import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * Below the range from which Linux (32768) and macOS (49152) take the ports of outgoing connections. A port from that
 * range can be taken by any client while a stopped server is about to come back on it, and a client that keeps
 * reconnecting to it can even connect to itself.
 */
const firstPort = 20_000;
const lastPort = 32_000;

/** Whether a server could listen on this port of 127.0.0.1 now. */
export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/**
 * A port of 127.0.0.1 that was free a moment ago. Another process can take it before it is used: the code that starts a
 * server on it tries again with another one.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const port = randomInt(firstPort, lastPort);
    if (await isPortFree(port)) {
      return port;
    }
  }
  throw new Error(`no free port between ${firstPort} and ${lastPort}`);
}
