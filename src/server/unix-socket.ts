/** Unix sockets: their mode, and the errors of a path that cannot be listened on. */
import { statSync } from 'node:fs';
import type { Server } from 'node:net';
import { dirname } from 'node:path';
import type { Address } from '../config/index.ts';

/** The permission bits of new files, as `umask` removes them, that leave this mode for a socket. */
export function umaskFor(mode: number): number {
  return 0o777 & ~mode;
}

/**
 * Connections that the system keeps until the process takes them, at most. The system has a bound, too
 * (`net.core.somaxconn`, 4,096). Node's own 511 overflow in a flood, and the system then drops honest ones, whose next attempt comes
 * a second later.
 */
const BACKLOG = 4_096;

/**
 * Listens on an address.
 * @param socketMode The permission bits of a unix socket. The system makes it with them: there is no moment with wider ones.
 */
export function listenOn(server: Server, address: Address, socketMode: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(explained(address, error)));
    const listening = (): void => {
      server.removeAllListeners('error');
      resolve();
    };
    if (address.kind === 'tcp') {
      server.listen({ port: address.port, host: address.host, backlog: BACKLOG }, listening);
      return;
    }
    const umask = process.umask(umaskFor(socketMode));
    try {
      // Node binds within this call, except in a worker: there the primary process binds, with its own umask.
      server.listen(address.path, listening);
    } finally {
      process.umask(umask);
    }
  });
}

/** The bytes of a path in the system's own structure, less the one that ends it. */
const MAX_PATH_BYTES = 107;

/** The cause of an error that libuv reports as another one: it has EACCES for a folder that does not exist. */
function explained(address: Address, error: Error): Error {
  if (address.kind === 'tcp') return error;
  const folder = dirname(address.path);
  if (Buffer.byteLength(address.path) > MAX_PATH_BYTES) {
    return new Error(`the path of a unix socket has at most ${MAX_PATH_BYTES} bytes`, { cause: error });
  }
  const found = statSync(folder, { throwIfNoEntry: false });
  if (found === undefined) return new Error(`the folder ${folder} does not exist: make it first`, { cause: error });
  if (!found.isDirectory()) return new Error(`${folder} is not a folder`, { cause: error });
  return error;
}
