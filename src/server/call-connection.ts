/** A connection as its calls see it. */
import type { ServerHttp2Stream } from 'node:http2';
import type { Evidence, KnownCaller } from '../callers/known-callers.ts';
import type { WorkShare } from './work-share.ts';

/** What a call does with its connection. */
export interface CallConnection {
  /** Whether a call on the connection has authenticated, or none has to. */
  readonly known: boolean;
  /** The share of its calls in the time of the event loop. */
  readonly share: WorkShare;
  /** The caller of the last call that authenticated; null where none has to, undefined for a stranger. */
  readonly caller: KnownCaller | null | undefined;
  /** Notes that a call has authenticated, and by what; null where none has to. */
  authenticated(caller: KnownCaller | null, evidence: Evidence | null): void;
  /** Notes that a call was refused. Too many of them end a stranger, once it had the time to read the answers. */
  refused(): void;
  /** Notes that the connection ends with the request of HTTP/1.1 at hand, since it asks too much. */
  lastRequest(): void;
  /** Takes the bound off the time of one stream, the first: a watch of health, which lasts as long as the connection. */
  unbound(stream: ServerHttp2Stream): void;
}
