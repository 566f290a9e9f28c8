/** The TCP proxies between the parts, in a separate thread so that readers and auditing do not slow their traffic. */
import { Worker } from 'node:worker_threads';

/** What is done to a link. */
export type LinkState =
  | { readonly state: 'whole' }
  | { readonly state: 'cut' }
  | { readonly state: 'half-open' }
  | { readonly state: 'stop' }
  | { readonly state: 'delay'; readonly delayMs: number };

export type ToLinks =
  | { readonly id: number; readonly type: 'open'; readonly targetPort: number }
  | { readonly id: number; readonly type: 'set'; readonly port: number; readonly to: LinkState };
/** The answer to the message of that id; the port of a link that was opened. */
export interface FromLinks {
  readonly id: number;
  readonly port: number;
}

export interface Link {
  readonly port: number;
  set(to: LinkState): Promise<void>;
}

export interface Links {
  open(targetPort: number): Promise<Link>;
  end(): Promise<void>;
}

type WithoutId<Message> = Message extends unknown ? Omit<Message, 'id'> : never;

/** Starts the thread. */
export const startLinks = (): Links => {
  const worker = new Worker(new URL('links-thread.ts', import.meta.url));
  const waiting = new Map<number, (port: number) => void>();
  let lastId = 0;
  worker.on('message', ({ id, port }: FromLinks) => {
    waiting.get(id)?.(port);
    waiting.delete(id);
  });
  const ask = (message: WithoutId<ToLinks>): Promise<number> =>
    new Promise((resolve) => {
      lastId += 1;
      waiting.set(lastId, resolve);
      worker.postMessage({ ...message, id: lastId });
    });
  return {
    open: async (targetPort) => {
      const port = await ask({ type: 'open', targetPort });
      return { port, set: async (to) => void (await ask({ type: 'set', port, to })) };
    },
    end: async () => void (await worker.terminate()),
  };
};
