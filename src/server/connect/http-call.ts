/** One call by Connect or gRPC-Web: its headers, and how it ends before its answer. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import { invalidArgument } from '../../errors.ts';
import { Code } from '../../rpc/status.ts';
import type { Arrival } from '../arrivals.ts';
import type { CallConnection } from '../call-connection.ts';
import type { CallContext } from '../call-context.ts';
import { certificateNamesOf } from '../client-certificate.ts';
import { connectionOf } from '../connection.ts';
import { dropHeaders } from '../drop-headers.ts';
import { MESSAGE_LATE, RefusedCall } from '../errors.ts';
import type { IncomingCall } from './protocols.ts';

export type HttpRequest = IncomingMessage | Http2ServerRequest;
export type HttpResponse = ServerResponse | Http2ServerResponse;

/** The longest deadline of a call, in milliseconds. Longer ones are INVALID_ARGUMENT. */
const MAX_TIMEOUT_MS = 60_000;

/** The time, in milliseconds, for the answer that a deadline has passed to reach the caller. */
const ERROR_GRACE_MS = 1_000;

/** One call: its headers, and how it ends before its answer. */
export class HttpCall implements CallContext, IncomingCall, Arrival {
  previousArrival: Arrival | null = null;
  nextArrival: Arrival | null = null;
  arrivingSince: number | null = null;
  readonly #request: HttpRequest;
  readonly #response: HttpResponse;
  readonly #ended = Promise.withResolvers<never>();
  #endedAs: number | null = null;
  #onEnd: (() => void) | null = null;

  constructor(request: HttpRequest, response: HttpResponse) {
    this.#request = request;
    this.#response = response;
    this.#ended.promise.catch(() => {});
    response.once('close', () => this.#end(Code.CANCELLED, 'The caller has left.'));
    if ('stream' in request) request.once('aborted', () => this.#end(Code.CANCELLED, 'The caller has left.'));
  }

  get connection(): CallConnection {
    return connectionOfRequest(this.#request);
  }

  header(name: string): string | undefined {
    return headerOf(this.#request, name);
  }

  dropHeaders(): void {
    dropHeaders(this.#request.headers, this.#request.rawHeaders);
  }

  setHeader(name: string, value: string): void {
    this.#response.setHeader(name, value);
  }

  certificateNames(): readonly string[] {
    return certificateNamesOf('stream' in this.#request ? this.#request.stream.session : this.#request.socket);
  }

  onClose(listener: () => void): void {
    if (this.#response.destroyed) listener();
    else this.#response.once('close', listener);
  }

  endedAs(): number | null {
    return this.#endedAs;
  }

  onEnd(listener: () => void): void {
    if (this.#endedAs === null) this.#onEnd = listener;
    else listener();
  }

  /** @throws {AssentError} INVALID_ARGUMENT for a deadline that is none, or longer than a minute. */
  setDeadline(ms: number | null): void {
    if (ms === null) return;
    if (!(ms <= MAX_TIMEOUT_MS)) throw invalidArgument('', `the deadline must be 1 to ${MAX_TIMEOUT_MS} ms.`);
    let timer: NodeJS.Timeout | undefined;
    const passed = (): void => {
      // The answer was written and still waits for its caller, who may never read it.
      if (this.#response.writableEnded) this.#cut();
      else {
        this.#end(Code.DEADLINE_EXCEEDED, 'The deadline of the call has passed.');
        timer = setTimeout(() => this.#cut(), ERROR_GRACE_MS);
      }
    };
    this.#response.once('close', () => clearTimeout(timer));
    if (ms <= 0) passed();
    else timer = setTimeout(passed, ms);
  }

  /** Whether the caller still waits for an answer. */
  get open(): boolean {
    return this.#endedAs === null && !this.#response.destroyed;
  }

  expire(): void {
    this.#end(Code.DEADLINE_EXCEEDED, MESSAGE_LATE);
    // Node keeps a stream whose caller goes on sending.
    const timer = setTimeout(() => this.#cut(), ERROR_GRACE_MS);
    this.#response.once('close', () => clearTimeout(timer));
  }

  onGone(listener: () => void): void {
    this.#response.once('close', listener);
  }

  /** The pieces of the body. A caller that leaves ends them without an error. */
  async *body(): AsyncIterable<Uint8Array> {
    yield* this.#request as AsyncIterable<Uint8Array>;
    // Node ends the body of a stream that was reset as if it were complete.
    const { aborted } = this.#request;
    const reset = 'stream' in this.#request && this.#request.stream?.rstCode !== constants.NGHTTP2_NO_ERROR;
    if (aborted || reset) this.#end(Code.CANCELLED, 'The caller has left.');
  }

  /** Waits for a step of the call, but no longer than its caller. */
  race<Result>(step: Promise<Result>): Promise<Result> {
    return Promise.race([this.#ended.promise, step]);
  }

  /** Ends the stream of HTTP/2, or the connection of HTTP/1.1, with an answer that has not gone out. */
  #cut(): void {
    if ('stream' in this.#response) this.#response.stream?.close(constants.NGHTTP2_CANCEL);
    else this.#response.destroy();
  }

  #end(code: number, message: string): void {
    if (this.#endedAs !== null || this.#response.writableEnded) return;
    this.#endedAs = code;
    this.#ended.reject(new RefusedCall(code, message));
    this.#onEnd?.();
  }
}

/** The connection of a request. */
export function connectionOfRequest(request: HttpRequest): CallConnection {
  return connectionOf('stream' in request ? request.stream.session : request.socket);
}

/** A header of a request that stands there once. */
export function headerOf({ headers }: HttpRequest, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : undefined;
}
