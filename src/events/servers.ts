/** Where NATS is. Pure. */

/** The client takes addresses and credentials apart; users write them in one URL, or several separated by commas. */
export const serversOf = (urls: string): { servers: string[]; user?: string; pass?: string; token?: string } => {
  const parsed = urls.split(',').map((url) => new URL(url.trim()));
  const [first] = parsed;
  const user = decodeURIComponent(first?.username ?? '');
  const pass = decodeURIComponent(first?.password ?? '');
  const servers = parsed.map(({ protocol, host }) => `${protocol}//${host}`);
  if (user === '') return { servers };
  return pass === '' ? { servers, token: user } : { servers, user, pass };
};
