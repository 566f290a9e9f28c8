/**
 * A service that tests, demo and benches need cannot be started on this machine. The message is meant for the person at
 * the terminal: what was tried, and the one command to run first. The demo catches it and goes on with memory only.
 */
export class ServiceUnavailable extends Error {
  override readonly name = 'ServiceUnavailable';
  /** `postgres`, `redis`, `nats` or `pgbouncer`. */
  readonly service: string;

  constructor(service: string, message: string) {
    super(message);
    this.service = service;
  }
}

/** The error of a service that none of the routes could serve; `tried` is one clause per route. */
export function serviceUnavailable(service: keyof typeof TITLES, tried: readonly string[]): ServiceUnavailable {
  const title = TITLES[service];
  return new ServiceUnavailable(
    service,
    `${title} cannot be started (${tried.join('; ')}). Run first: ${installCommand(service)}`,
  );
}

const TITLES = { redis: 'Redis', nats: 'NATS', pgbouncer: 'PgBouncer' } as const;

function installCommand(service: keyof typeof TITLES): string {
  const packages = process.platform === 'darwin' ? 'redis nats-server' : 'redis-server nats-server';
  return `${process.platform === 'darwin' ? 'brew install' : 'sudo apt-get install'} ${service === 'pgbouncer' ? service : packages}`;
}
