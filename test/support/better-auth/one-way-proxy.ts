/** A TCP proxy on loopback that can lose answers: requests arrive, and their answers do not. */
import { connect, createServer, type Socket } from 'node:net';

export interface OneWayProxy {
  readonly port: number;
  loseAnswers(lose: boolean): void;
  close(): Promise<void>;
}

/** @param targetPort A port of 127.0.0.1. */
export const startOneWayProxy = async (targetPort: number): Promise<OneWayProxy> => {
  let lose = false;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const target = connect(targetPort, '127.0.0.1');
    for (const [from, to] of [
      [client, target],
      [target, client],
    ] as const) {
      sockets.add(from);
      from.on('data', (chunk) => {
        if (from === client || !lose) to.write(chunk);
      });
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    loseAnswers: (value) => {
      lose = value;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
};
