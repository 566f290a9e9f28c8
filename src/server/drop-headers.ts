/** Drops headers that have been read, so that a request that waits does not hold them. */

/** Headers that are read once the message is there. */
const READ_LATER: ReadonlySet<string> = new Set(['grpc-encoding', 'assent-trace']);

/**
 * Empties the headers of a request. A list of 64 KiB costs its sender a hundred bytes (RFC 7541, section 7.3), and Node hangs it
 * from the request for as long as that lasts.
 * @param raw The same headers as Node's `rawHeaders`.
 */
export function dropHeaders(headers: object, raw: string[] = []): void {
  // guard: headers-are-dropped
  for (const name of Object.keys(headers)) if (!READ_LATER.has(name)) Reflect.deleteProperty(headers, name);
  raw.length = 0;
}
