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

/** A subject alternative name as `DNS:name`, in lower case, or `URI:uri`; null for a text that is neither. */
export function certificateNameOf(text: string): string | null {
  const lower = text.toLowerCase();
  if (DNS_NAME.test(lower) && isIP(lower) === 0) return `DNS:${lower}`;
  return URI.test(text) ? `URI:${text}` : null;
}
