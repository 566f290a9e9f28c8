import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { startProxy } from '../../../tools/network/proxy.ts';

it('the proxy holds bytes and forwards them later, complete and in order', async () => {
  const echo = createServer((socket) => {
    // The proxy resets what is open when it closes.
    socket.on('error', () => {}).pipe(socket);
  });
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void echo.close());
  const proxy = await startProxy((echo.address() as AddressInfo).port);
  onTestFinished(() => proxy.close());
  const client = connect(proxy.port, '127.0.0.1');
  onTestFinished(() => void client.destroy());
  let received = '';
  client.on('error', () => {});
  client.setEncoding('utf8').on('data', (text: string) => {
    received += text;
  });
  client.write('one ');
  await once(client, 'data');
  proxy.setMode('hold');
  client.write('two ');
  // Another connection's connect takes as long as these bytes would, and some more.
  const other = connect(proxy.port, '127.0.0.1');
  await once(other, 'connect');
  other.destroy();
  expect(received).toBe('one ');
  client.write('three ');
  proxy.setMode('pass');
  client.write('four');
  while (!received.endsWith('four')) await once(client, 'data');
  expect(received).toBe('one two three four');
});
