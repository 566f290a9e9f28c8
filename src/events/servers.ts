/** Where NATS is. Pure. */

interface NatsServers {
  readonly servers: string[];
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
  /** Present where only TLS will do. */
  readonly tls?: object;
}

/** The client takes addresses and credentials apart; users write them in one URL, or several separated by commas. */
export const serversOf = (urls: string): NatsServers => {
  const parsed = urls.split(',').map((url) => new URL(url.trim()));
  const [first] = parsed;
  const user = decodeURIComponent(first?.username ?? '');
  const pass = decodeURIComponent(first?.password ?? '');
  const servers = parsed.map(({ protocol, host }) => `${protocol}//${host}`);
  // The client goes by what the server says, in plain text, and would tell its password to one that has no TLS.
  const tls = parsed.some(({ protocol }) => protocol === 'tls:') ? { tls: {} } : {};
  if (user === '') return { servers, ...tls };
  return pass === '' ? { servers, token: user, ...tls } : { servers, user, pass, ...tls };
};
