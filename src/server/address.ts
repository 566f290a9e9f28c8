/** Addresses to listen on. */
import { rm, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Address } from '../config/index.ts';

/** An address as people write it. */
export function formatAddress(address: Address, port?: number): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${host}:${port ?? address.port}`;
}

/** Removes the socket file that a killed process left behind. A socket on which a process listens stays. */
export async function clearStaleSocket(address: Address): Promise<void> {
  if (address.kind !== 'unix') return;
  const stale = await new Promise<boolean>((resolve) => {
    const socket = connect(address.path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', (error) => resolve('code' in error && error.code === 'ECONNREFUSED'));
  });
  // A regular file refuses connections as well. It has to stay.
  if (stale && (await stat(address.path).catch(() => null))?.isSocket() === true)
    await rm(address.path, { force: true });
}
