/** A connection that does not keep its process alive. */
import type { NatsConnection } from 'nats';

const PING_MS = 5_000;
const PONG_TIMEOUT_MS = 5_000;

const part = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && name in value ? Reflect.get(value, name) : undefined;

const call = (value: unknown, name: string): void => {
  const method = part(value, name);
  if (typeof method === 'function') method.call(value);
};

/**
 * Lets a script end that has nothing else to do, and watches over the connection in the client's stead, whose own timer
 * cannot be told to. The client has no option for either, so its parts are reached for; were they elsewhere in another
 * version, a script would stay until the connection is closed, and nothing else would change. What waits for an answer
 * keeps the process alive by its own timer.
 */
export const keepInBackground = (connection: NatsConnection): void => {
  const protocol = part(connection, 'protocol');
  call(part(protocol, 'heartbeats'), 'cancel');
  call(part(part(protocol, 'transport'), 'socket'), 'unref');
  const timer = setInterval(() => {
    const silence = setTimeout(() => void connection.close(), PONG_TIMEOUT_MS);
    silence.unref();
    connection.flush().then(
      () => clearTimeout(silence),
      () => clearTimeout(silence),
    );
  }, PING_MS);
  timer.unref();
  void connection.closed().then(() => clearInterval(timer));
};
