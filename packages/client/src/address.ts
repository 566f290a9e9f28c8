/** Addresses of the service as text. */
import { isIP } from 'node:net';
import { AssentError } from './errors.ts';

/** One part of the address option: a name is resolved, an IP address or a unix socket is not. */
export type Place =
  | { readonly kind: 'name' | 'ip'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** @throws {AssentError} `MISCONFIGURED`, `ADDRESS_MISSING` or `ADDRESS_MALFORMED`. */
export function parseAddresses(address: string | readonly string[] | undefined): readonly Place[] {
  const texts = (typeof address === 'string' ? address.split(',') : (address ?? [])).map((text) => String(text).trim());
  if (texts.length === 0 || texts.some((text) => text === '')) {
    throw new AssentError('MISCONFIGURED', 'ADDRESS_MISSING', `address is missing: set it, for example to ${EXAMPLE}`);
  }
  return texts.map(parsePlace);
}

const EXAMPLE = 'dns:///assent:50051';
const SCHEMES = /^(?:dns:\/\/\/|dns:|ipv4:|ipv6:)/;

function parsePlace(text: string): Place {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length).replace(/^\/\/(?=\/)/, '');
    if (path === '' || path.startsWith('//')) throw malformed(text, 'it has no path');
    return { kind: 'unix', path };
  }
  const rest = text.replace(SCHEMES, '');
  if (rest.includes('/')) throw malformed(text, 'it is host:port, without a scheme of HTTP or a path');
  const found = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(rest);
  const host = found?.[1] ?? found?.[2] ?? '';
  const port = Number(found?.[3]);
  if (host === '') throw malformed(text, 'it needs a host and a port');
  if (port < 1 || port > 65_535) throw malformed(text, 'its port is 1 to 65535');
  if (found?.[1] !== undefined && isIP(host) !== 6) throw malformed(text, 'brackets are for an IPv6 address');
  if (isIP(host) === 0 && !/^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_.])?$/i.test(host))
    throw malformed(text, 'its host is no name');
  return { kind: isIP(host) === 0 ? 'name' : 'ip', host, port };
}

function malformed(text: string, why: string): AssentError {
  const shown = JSON.stringify(text.slice(0, 200));
  return new AssentError('MISCONFIGURED', 'ADDRESS_MALFORMED', `address ${shown}: ${why}, for example ${EXAMPLE}`);
}
