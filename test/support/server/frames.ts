/** HTTP/2 on bare sockets. */
import { connect, type Socket } from 'node:net';
import { clientHello } from '../../../tools/network/http2-frames.ts';

export * from '../../../tools/network/http2-frames.ts';

/** A connection that has said hello and takes part in nothing but what is written to it. */
export const openSocket = async (port: number, hello: Uint8Array = clientHello()): Promise<Socket> => {
  const socket = connect(port, '127.0.0.1');
  // Whatever it says: it is closed, and that is looked at.
  socket.on('error', () => {});
  socket.write(hello);
  return socket;
};
