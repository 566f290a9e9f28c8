/** The names in the client certificate of a connection, which TLS has verified. */
import type { Http2Session } from 'node:http2';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** By the connection, which keeps the certificate that it began with. */
const names = new WeakMap<object, readonly string[]>();

const NONE: readonly string[] = [];

/**
 * The subject alternative names of a connection's client certificate, as `DNS:name` and `URI:uri`; none in the clear, and none
 * without a certificate.
 * @param connection Undefined once the connection is gone.
 */
export function certificateNamesOf(connection: Http2Session | Socket | undefined): readonly string[] {
  if (connection === undefined || connection.destroyed) return NONE;
  const known = names.get(connection);
  if (known !== undefined) return known;
  const socket = 'socket' in connection ? connection.socket : connection;
  // Verified by the authorities of ASSENT_TLS_CLIENT_CA. Where there are none, no certificate is asked for or verified.
  const certificate = socket instanceof TLSSocket && socket.authorized ? socket.getPeerX509Certificate() : undefined;
  const found = parseAlternativeNames(certificate?.subjectAltName ?? '');
  names.set(connection, found);
  return found;
}

/**
 * Parses the names as Node writes them: `DNS:a.example, URI:spiffe://b/c`. Node puts a value that could be misread, as one with
 * a comma, in quotes as JSON does. Such a value stands for no caller. DNS names have no case (RFC 4343). SPIFFE allows a
 * certificate one URI; one with more has none that counts (X509-SVID, section 2).
 */
export function parseAlternativeNames(text: string): readonly string[] {
  const found: string[] = [];
  let uris = 0;
  let end = 0;
  for (const [all, type = '', value = ''] of text.matchAll(ALTERNATIVE_NAME)) {
    end += all.length;
    if (type === 'URI') uris += 1;
    if (value.startsWith('"')) continue;
    if (type === 'DNS') found.push(`DNS:${value.toLowerCase()}`);
    else if (type === 'URI') found.push(`URI:${value}`);
  }
  if (end < text.length) return NONE;
  return uris > 1 ? found.filter((name) => !name.startsWith('URI:')) : found;
}

/** Each match begins where the one before it ended, so that nothing within quotes is taken for a name. */
const ALTERNATIVE_NAME = /(?:^|, )([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^",]*)/gy;
