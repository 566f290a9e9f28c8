/** The values in a file of callers: names, moments, and the names of certificates. Pure. */
import { isIP } from 'node:net';
import { z } from 'zod';

/** Whether a text can be the name of a caller: a label of metrics and a field of the log. */
export function isCallerName(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text);
}

/** RFC 3339: a moment, or a day, which stands for its beginning in UTC. */
const MOMENT = z.union([z.iso.datetime({ offset: true }), z.iso.date()]);

/** A moment in milliseconds since the epoch; null for a value that is none. */
export function momentOf(value: unknown): number | null {
  return MOMENT.safeParse(value).success ? Date.parse(String(value)) : null;
}

const DNS_NAME = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/;
const URI = /^[a-z][a-z0-9+.-]*:\/\/[^\s"*,]+$/i;

/**
 * A SPIFFE ID of a workload (SPIFFE-ID, section 2): a trust domain in lower case without a port, and a path of plain segments.
 * An ID in another form is in no certificate, and its caller would be refused without a reason.
 */
const SPIFFE_ID = /^(?=.{1,2048}$)spiffe:\/\/[a-z0-9._-]{1,255}(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)+$/;

/** A subject alternative name as `DNS:name`, in lower case, or `URI:uri`; null for a text that is neither. */
export function certificateNameOf(text: string): string | null {
  const lower = text.toLowerCase();
  if (DNS_NAME.test(lower) && isIP(lower) === 0) return `DNS:${lower}`;
  const isUri = lower.startsWith('spiffe:') ? SPIFFE_ID.test(text) : URI.test(text);
  return isUri ? `URI:${text}` : null;
}
