/** One call on the wire: what goes out for it, once, and its deadline. */
import { constants, type IncomingHttpHeaders, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { status as Code } from '@grpc/grpc-js';
import { errorStatus } from '../../rpc/errors.ts';
import { isBeyondTimers, parseTimeout } from '../deadline.ts';
import { errorTrailers, OK_TRAILERS, RefusedCall, refusalTrailers } from './status.ts';

// A list goes out as it is, an object is copied; `date` would be a header more in every answer.
const HEADERS: readonly string[] = [':status', '200', 'content-type', 'application/grpc'];
const WITH_TRAILERS = { waitForTrailers: true, sendDate: false };
const WITHOUT_BODY = { endStream: true, sendDate: false };

const ignore = (): void => {};

/**
 * Drops what a closed stream still holds of its call: Node's streams are dead weight that small collections of garbage carry
 * on (docs/performance.md, "dead streams"), with all that hangs from them.
 */
function release(this: ServerHttp2Stream): void {
  this.removeAllListeners('data').removeAllListeners('end').removeAllListeners('wantTrailers');
}

function sendOk(this: ServerHttp2Stream): void {
  this.sendTrailers(OK_TRAILERS);
}

/** Who hears of what the door does by itself. */
export interface ExchangeObserver {
  /** Called with the google.rpc.Code of a call that is refused before a handler has it. */
  onRefused(code: number): void;
  onDefect(error: unknown): void;
}

/** A call. All that is sent is dropped once it has ended, or its caller is gone. */
export class Exchange {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  readonly #observer: ExchangeObserver;
  #metadata: string[] | null = null;
  #handled = false;
  #ended = false;
  #refusedWith: number | null = null;
  #onEnd: (() => void) | null = null;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, observer: ExchangeObserver) {
    this.stream = stream;
    this.headers = headers;
    this.#observer = observer;
    // A stream that the caller resets, or that dies with its connection, is closed: that is looked at where it matters.
    stream.on('error', ignore);
    stream.once('close', release);
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

  /** Calls `listener` once when the call ends without the handler's answer, at once where it has. */
  onEnd(listener: () => void): void {
    if (!this.open) {
      listener();
      return;
    }
    this.#onEnd = listener;
    this.stream.once('close', () => this.#tellEnd());
  }

  /** Notes that a handler has the call from here on. */
  handled(): void {
    this.#handled = true;
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
    if (this.stream.write(frame) || this.stream.isPaused()) return;
    // The caller reads slower than it asks: it is heard again when it has read.
    this.stream.pause();
    this.stream.once('drain', () => this.stream.resume());
  }

  /** Ends the call with these trailers. */
  end(trailers: OutgoingHttpHeaders): void {
    if (!this.open) return;
    this.#ended = true;
    const { stream } = this;
    if (!stream.headersSent && this.#metadata === null) {
      this.#respondAlone({ ':status': 200, 'content-type': 'application/grpc', ...trailers });
      return;
    }
    if (!stream.headersSent) this.#respond();
    stream.on('wantTrailers', () => {
      stream.sendTrailers(trailers);
      // Node itself sends trailers in the next turn.
      if (!stream.readableEnded) setImmediate(() => this.#dropRest());
    });
    stream.end();
  }

  /** Ends the call without any answer of gRPC's: the caller does not speak it. */
  refuseHttp(status: number): void {
    if (!this.open) return;
    this.#ended = true;
    this.#respondAlone({ ':status': status });
  }

  /** Ends the call by the door's own decision, or for an error that is none. */
  fail(error: unknown): void {
    if (!this.open) return;
    if (!(error instanceof RefusedCall)) {
      this.end(errorTrailers(errorStatus(error, this.#observer.onDefect)));
      return;
    }
    this.#refusedWith = error.code;
    if (!this.#handled) this.#observer.onRefused(error.code);
    this.end(refusalTrailers(error));
    this.#tellEnd();
  }

  #tellEnd(): void {
    const tell = this.#ended && this.#refusedWith === null ? null : this.#onEnd;
    this.#onEnd = null;
    tell?.();
  }

  #respond(): void {
    this.stream.respond(this.#metadata === null ? HEADERS : [...HEADERS, ...this.#metadata], WITH_TRAILERS);
  }

  #respondAlone(headers: OutgoingHttpHeaders): void {
    this.stream.respond(headers, WITHOUT_BODY);
    this.#dropRest();
  }

  /** Tells a caller that is still sending that nobody reads it any more (RFC 9113, section 8.1). */
  #dropRest(): void {
    this.stream.resume();
    if (!this.stream.readableEnded) this.stream.close(constants.NGHTTP2_NO_ERROR);
  }

  #setDeadline(text: string): void {
    const ms = parseTimeout(text);
    if (ms === null) {
      this.fail(new RefusedCall(Code.INTERNAL, 'The grpc-timeout of the request is malformed.'));
      return;
    }
    if (isBeyondTimers(ms)) return;
    const timer = setTimeout(() => {
      this.fail(new RefusedCall(Code.DEADLINE_EXCEEDED, 'The deadline of the call has passed.'));
    }, ms);
    this.stream.on('close', () => clearTimeout(timer));
  }
}
