/** The thread of links.ts. */
import { parentPort } from 'node:worker_threads';
import { startProxy, type TcpProxy } from '../tools/network/proxy.ts';
import type { LinkState, ToLinks } from './links.ts';

const proxies = new Map<number, TcpProxy>();

const set = (proxy: TcpProxy, to: LinkState): void => {
  proxy.setDelay(to.state === 'delay' ? to.delayMs : 0);
  if (to.state === 'cut') {
    proxy.setMode('refuse');
    proxy.cut();
  } else if (to.state === 'half-open') proxy.setMode('stall');
  else if (to.state === 'stop') proxy.setMode('hold');
  else proxy.setMode('pass');
};

const handle = async (message: ToLinks): Promise<number> => {
  if (message.type === 'open') {
    const proxy = await startProxy(message.targetPort);
    proxies.set(proxy.port, proxy);
    return proxy.port;
  }
  const proxy = proxies.get(message.port);
  if (proxy === undefined) throw new Error(`no link on port ${message.port}`);
  set(proxy, message.to);
  return message.port;
};

parentPort?.on('message', (message: ToLinks) => {
  void handle(message).then((port) => parentPort?.postMessage({ id: message.id, port }));
});
