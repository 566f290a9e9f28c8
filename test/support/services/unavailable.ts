/**
 * A service that tests, demo and benches need cannot be started on this machine. The message is meant for the person at
 * the terminal: what was tried, and the one command to run first. The demo catches it and goes on with memory only.
 */
export class ServiceUnavailable extends Error {
  override readonly name = 'ServiceUnavailable';
  /** `postgres`, `redis` or `nats`. */
  readonly service: string;

  constructor(service: string, message: string) {
    super(message);
    this.service = service;
  }
}

/** The error of a service that none of the routes could serve; `tried` is one clause per route. */
export function serviceUnavailable(service: 'redis' | 'nats', tried: readonly string[]): ServiceUnavailable {
  const title = service === 'redis' ? 'Redis' : 'NATS';
  return new ServiceUnavailable(
    service,
    `${title} cannot be started (${tried.join('; ')}). Run first: ${installCommand()}`,
  );
}

function installCommand(): string {
  return process.platform === 'darwin'
    ? 'brew install redis nats-server'
    : 'sudo apt-get install redis-server nats-server';
}
