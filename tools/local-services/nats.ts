import { natsAnswers } from './environment-server.ts';
import { startServer } from './network-server.ts';
import type { Server, ServerKind, ServerOptions } from './server.ts';

/** How a NATS server is set up. */
export interface NatsOptions extends ServerOptions {
  /** JetStream, on by default; off is core NATS only. */
  jetstream?: boolean;
}

function natsKind(jetstream: boolean): ServerKind {
  return {
    service: 'nats',
    package: 'nats-server',
    containerPort: 4222,
    variable: 'NATS_URL',
    answers: (url) => natsAnswers(url, jetstream),
    args: ({ host, port, folder, config }) => [
      ...['-a', host, '-p', String(port)],
      ...(config === undefined ? [] : ['-c', config]),
      ...(jetstream ? ['-js', '-sd', folder] : []),
    ],
    url: (port) => `nats://127.0.0.1:${port}`,
    ready: /Server is ready/,
  };
}

/**
 * Starts a NATS server, or takes the one of `NATS_URL` if it answers, has JetStream, and the options ask for none of
 * our own. A server without JetStream is always our own.
 * @throws ServiceUnavailable
 */
export function startNats(options: NatsOptions = {}): Promise<Server> {
  const { jetstream = true, ...rest } = options;
  return startServer(natsKind(jetstream), jetstream ? rest : { ...rest, own: true });
}
