/** Addresses to listen on. */
import { rm, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Address } from '../config/index.ts';

/** An address as people write it. */
export const formatAddress = (address: Address, port?: number): string => {
  if (address.kind === 'unix') return `unix:${address.path}`;
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${host}:${port ?? address.port}`;
};

/** Removes the socket that a killed process left behind, and only such a one: nobody answers there any more. */
export const clearStaleSocket = async (address: Address): Promise<void> => {
  if (address.kind !== 'unix') return;
  const stale = await new Promise<boolean>((resolve) => {
    const socket = connect(address.path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', (error) => resolve('code' in error && error.code === 'ECONNREFUSED'));
  });
  // A file that is no socket refuses connections as well, and is somebody's.
  if (stale && (await stat(address.path).catch(() => null))?.isSocket() === true)
    await rm(address.path, { force: true });
};
