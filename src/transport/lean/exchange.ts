/** One call on the wire: what goes out for it, once, and its deadline. */
import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';
import { status as Code } from '@grpc/grpc-js';
import { parseTimeout } from './request-headers.ts';
import { OK_TRAILERS, RefusedCall, refusalTrailers } from './status.ts';

// A list goes out as it is, an object is copied; `date` would be a header more in every answer.
const HEADERS: readonly string[] = [':status', '200', 'content-type', 'application/grpc'];
const WITH_TRAILERS = { waitForTrailers: true, sendDate: false };
const WITHOUT_BODY = { endStream: true, sendDate: false };
/** The longest that a timer can be set for. Who gives more time than that gives no deadline. */
const MAX_TIMER_MS = 2 ** 31 - 1;

const ignore = (): void => {};

function sendOk(this: ServerHttp2Stream): void {
  this.sendTrailers(OK_TRAILERS);
}

/** A call. All that is sent is dropped once it has ended, or its caller is gone. */
export class Exchange {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  /** Called with the google.rpc.Code when the door refuses the call by itself; null once a handler has it. */
  onRefused: ((code: number) => void) | null;
  #metadata: string[] | null = null;
  #ended = false;
  #refusedWith: number | null = null;

  constructor(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    onRefused: ((code: number) => void) | null = null,
  ) {
    this.stream = stream;
    this.headers = headers;
    this.onRefused = onRefused;
    // A stream that the caller resets, or that dies with its connection, is closed: that is looked at where it matters.
    stream.on('error', ignore);
    const timeout = headers['grpc-timeout'];
    if (timeout !== undefined) this.#setDeadline(String(timeout));
  }

  /** Whether an answer is still wanted. */
  get open(): boolean {
    return !this.#ended && !this.stream.closed && !this.stream.destroyed;
  }

  /** The google.rpc.Code that the call has ended with without the handler's answer; null while one is wanted. */
  get endedAs(): number | null {
    if (this.#refusedWith !== null) return this.#refusedWith;
    return this.open ? null : Code.CANCELLED;
  }

  /** A header of the request. */
  header(name: string): string | undefined {
    const value = this.headers[name];
    return typeof value === 'string' ? value : undefined;
  }

  /** Sets metadata that goes out before the answer. */
  setMetadata(name: string, value: string): void {
    this.#metadata ??= [];
    this.#metadata.push(name, value);
  }

  /** Sends the only message, framed, and ends the call well. */
  reply(frame: Buffer): void {
    if (!this.open) return;
    this.#ended = true;
    this.#respond();
    this.stream.on('wantTrailers', sendOk);
    this.stream.end(frame);
  }

  /** Sends one of several messages, framed. */
  write(frame: Buffer): void {
    if (!this.open) return;
    if (!this.stream.headersSent) this.#respond();
    if (this.stream.write(frame)) return;
    // The caller reads slower than it asks: it is heard again when it has read.
    this.stream.pause();
    this.stream.once('drain', () => this.stream.resume());
  }

  /** Ends the call with these trailers. */
  end(trailers: OutgoingHttpHeaders): void {
    if (!this.open) return;
    this.#ended = true;
    const { stream } = this;
    if (stream.headersSent || this.#metadata !== null) {
      if (!stream.headersSent) this.#respond();
      stream.on('wantTrailers', () => stream.sendTrailers(trailers));
      stream.end();
      return;
    }
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...trailers }, WITHOUT_BODY);
    this.#dropRest();
  }

  /** Ends the call without any answer of gRPC's: the caller does not speak it. */
  refuseHttp(status: number): void {
    if (!this.open) return;
    this.#ended = true;
    this.stream.respond({ ':status': status }, WITHOUT_BODY);
    this.#dropRest();
  }

  /** Ends the call by the door's own decision. */
  refuse(refusal: RefusedCall): void {
    if (!this.open) return;
    this.#refusedWith = refusal.code;
    this.onRefused?.(refusal.code);
    this.end(refusalTrailers(refusal));
  }

  #respond(): void {
    this.stream.respond(this.#metadata === null ? HEADERS : [...HEADERS, ...this.#metadata], WITH_TRAILERS);
  }

  /** Tells a caller that is still sending that nobody reads it any more (RFC 9113, section 8.1). */
  #dropRest(): void {
    this.stream.resume();
    if (!this.stream.readableEnded) this.stream.close(constants.NGHTTP2_NO_ERROR);
  }

  #setDeadline(text: string): void {
    const ms = parseTimeout(text);
    if (ms === null) {
      this.refuse(new RefusedCall(Code.INTERNAL, 'The grpc-timeout of the request is malformed.'));
      return;
    }
    if (ms > MAX_TIMER_MS) return;
    const timer = setTimeout(() => {
      this.refuse(new RefusedCall(Code.DEADLINE_EXCEEDED, 'The deadline of the call has passed.'));
    }, ms);
    this.stream.on('close', () => clearTimeout(timer));
  }
}
