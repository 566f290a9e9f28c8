/** Cancels on the server what a connection has asked for. */
import { type Client, Connection } from 'pg';

/** What pg's client and connection have, and their types leave out. */
interface ClientInternals {
  readonly processID: number | null;
  readonly secretKey: number | null;
  readonly ssl: unknown;
  readonly sslNegotiation: string;
}
interface ConnectionInternals {
  connect(port: number | string, host?: string): void;
  requestSsl(): void;
  cancel(processID: number, secretKey: number): void;
}

/** What the server, or a pooler, gave a client to cancel by; null where it gave nothing. */
export function cancelKeyOf(client: Client): { readonly processID: number; readonly secretKey: number } | null {
  const { processID, secretKey } = client as unknown as ClientInternals;
  return processID === null || secretKey === null ? null : { processID, secretKey };
}

/**
 * Asks the server to cancel the statement of a client, by a connection of its own and with TLS as the client has it; a pooler
 * passes it on. Settles when the server has taken it and closed that connection, or it could not be reached. After
 * `timeoutMs` the connection is dropped.
 */
export function cancelStatement(client: Client, timeoutMs: number): Promise<void> {
  const { ssl, sslNegotiation } = client as unknown as ClientInternals;
  const key = cancelKeyOf(client);
  if (key === null) return Promise.resolve();
  const connection = new Connection({ ssl, sslNegotiation } as ConstructorParameters<typeof Connection>[0]);
  const internals = connection as unknown as ConnectionInternals;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(() => connection.stream.destroy(), timeoutMs);
  const send = (): void => internals.cancel(key.processID, key.secretKey);
  connection.on('error', () => connection.stream.destroy());
  connection.on('end', () => {
    clearTimeout(timer);
    resolve();
  });
  connection.on('connect', () => {
    if (!ssl) send();
    else if (sslNegotiation !== 'direct') internals.requestSsl();
  });
  connection.on('sslconnect', send);
  const { host, port } = client;
  if (host.startsWith('/')) internals.connect(`${host}/.s.PGSQL.${port}`);
  else internals.connect(port, host);
  return promise;
}
