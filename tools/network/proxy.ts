/** A TCP proxy on loopback that can do to a connection what networks do. */
import { connect, createServer, type Socket } from 'node:net';

/**
 * `pass`: as if it were not there. `stall`: bytes are lost in both directions without a signal to either side (half-open). `hold`: bytes
 * stop and go on, complete and in order, with the next mode. `refuse`: new connections are reset at once.
 */
export type ProxyMode = 'pass' | 'stall' | 'hold' | 'refuse';

export interface TcpProxy {
  readonly port: number;
  setMode(mode: ProxyMode): void;
  /** Holds every chunk back for `ms`, in order. */
  setDelay(ms: number): void;
  /** Resets all connections that are open now. */
  cut(): void;
  /** Drops all bytes on the connections that are open now, silently; later connections pass. */
  forget(): void;
  /** How many connections were taken so far. */
  accepted(): number;
  /** How many connections of clients are open now. */
  open(): number;
  close(): Promise<void>;
}

/** @param targetPort A port of 127.0.0.1. */
export const startProxy = async (targetPort: number): Promise<TcpProxy> => {
  let mode: ProxyMode = 'pass';
  let delayMs = 0;
  let held = Promise.withResolvers<void>();
  const sockets = new Set<Socket>();
  const clients = new Set<Socket>();
  const forgotten = new WeakSet<Socket>();
  let accepted = 0;

  const pipe = (from: Socket, to: Socket): void => {
    // A chain per direction keeps chunks in order whatever the delay was when they came.
    let last = Promise.resolve();
    from.on('data', (chunk) => {
      if (mode === 'stall' || forgotten.has(from)) {
        // As on a network without an acknowledgement: what was sent is lost, and so is the connection in the end.
        from.pause();
        return;
      }
      const wait = delayMs;
      if (mode === 'hold') {
        const { promise } = held;
        last = last.then(() => promise);
      }
      if (wait === 0) {
        last = last.then(() => {
          if (!to.destroyed) to.write(chunk);
        });
        return;
      }
      last = last
        .then(() => new Promise((resolve) => setTimeout(resolve, wait).unref()))
        .then(() => {
          if (!to.destroyed) to.write(chunk);
        });
    });
    from.on('error', () => to.destroy());
    from.on('close', () => {
      sockets.delete(from);
      clients.delete(from);
      if (mode !== 'stall' && !forgotten.has(from)) to.destroy();
    });
  };

  const server = createServer((client) => {
    if (mode === 'refuse') {
      client.resetAndDestroy();
      return;
    }
    accepted += 1;
    clients.add(client);
    // As whom it stands between: with Nagle's algorithm small messages would wait up to 40 ms for an acknowledgement.
    client.setNoDelay(true);
    const target = connect(targetPort, '127.0.0.1').setNoDelay(true);
    sockets.add(client).add(target);
    pipe(client, target);
    pipe(target, client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const cut = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
    sockets.clear();
  };
  return {
    port,
    setMode: (value) => {
      mode = value;
      if (value === 'hold') return;
      held.resolve();
      held = Promise.withResolvers();
    },
    setDelay: (ms) => {
      delayMs = ms;
    },
    cut,
    forget: () => {
      for (const socket of sockets) forgotten.add(socket);
    },
    accepted: () => accepted,
    open: () => clients.size,
    close: async () => {
      cut();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
};

/** The same URL with the port of a proxy. */
export const through = (url: string, proxy: Pick<TcpProxy, 'port'>): string => {
  const proxied = new URL(url);
  proxied.hostname = '127.0.0.1';
  proxied.port = String(proxy.port);
  return proxied.href;
};
