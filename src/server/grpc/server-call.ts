/** One gRPC call on the wire: its deadline, and its response, sent at most once. */
import { constants, type IncomingHttpHeaders, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { Code, type ErrorStatus } from '../../rpc/status.ts';
import type { Arrival, Arrivals } from '../arrivals.ts';
import type { CallConnection } from '../call-connection.ts';
import type { CallContext } from '../call-context.ts';
import { certificateNamesOf } from '../client-certificate.ts';
import type { WaitingCall } from '../compression.ts';
import { connectionOf } from '../connection.ts';
import { isBeyondTimers, parseTimeout } from '../deadline.ts';
import { MESSAGE_LATE, RefusedCall, statusOf } from '../errors.ts';
import { errorTrailers, OK_TRAILERS } from './status.ts';

const WITH_TRAILERS = { waitForTrailers: true, sendDate: false };
const WITHOUT_BODY = { endStream: true, sendDate: false };

/** Callbacks for the events that the call itself decides about. */
export interface ServerCallObserver {
  /** Called with the code to count a call by that the server refuses before a handler has it. */
  onRefused(code: number): void;
  onDefect(error: unknown): void;
}

/** A call. Whatever is sent after its end, or after its caller left, is dropped. */
export class ServerCall implements CallContext, WaitingCall, Arrival {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  previousArrival: Arrival | null = null;
  nextArrival: Arrival | null = null;
  arrivingSince: number | null = null;
  #arrivals: Arrivals | null = null;
  readonly #contentType: string;
  #observer: ServerCallObserver;
  #metadata: string[] | null = null;
  #handled = false;
  #ended = false;
  #refusedWith: number | null = null;
  #onEnd: (() => void) | null = null;

  /** @param contentType Of the answer. */
  constructor(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    contentType: string,
    observer: ServerCallObserver,
  ) {
    this.stream = stream;
    this.headers = headers;
    this.#contentType = contentType;
    this.#observer = observer;
    // A stream that the caller resets, or that dies with its connection, is closed. `open` looks at that where it matters.
    stream.on('error', ignore);
    stream.once('close', release);
  }

  /** Whether the caller still waits for an answer. */
  get open(): boolean {
    return !this.#ended && !this.stream.closed && !this.stream.destroyed;
  }

  get connection(): CallConnection {
    return connectionOf(this.stream.session);
  }

  certificateNames(): readonly string[] {
    return certificateNamesOf(this.stream.session);
  }

  /** Names another observer, once the caller is known. */
  observeBy(observer: ServerCallObserver): void {
    this.#observer = observer;
  }

  onGone(listener: () => void): void {
    this.stream.once('close', listener);
  }

  endedAs(): number | null {
    if (this.#refusedWith !== null) return this.#refusedWith;
    return this.open ? null : Code.CANCELLED;
  }

  onEnd(listener: () => void): void {
    if (!this.open) {
      listener();
      return;
    }
    this.#onEnd = listener;
    this.stream.once('close', () => this.#notifyEnd());
  }

  onClose(listener: () => void): void {
    if (this.open) this.stream.once('close', listener);
    else listener();
  }

  /** Ends the call at the deadline that its headers name, or at once where they name none that can be read. */
  startDeadline(): void {
    const text = this.headers['grpc-timeout'];
    if (text === undefined) return;
    const ms = parseTimeout(String(text));
    if (ms === null) {
      this.fail(new RefusedCall(Code.INTERNAL, 'The grpc-timeout of the request is malformed.'));
      return;
    }
    if (isBeyondTimers(ms)) return;
    const timer = setTimeout(() => {
      this.fail(new RefusedCall(Code.DEADLINE_EXCEEDED, 'The deadline of the call has passed.'));
      // Bytes that wait for the caller's window stand before the trailers, and the window may stay closed.
      if (this.stream.writableLength > 0) this.stream.close(constants.NGHTTP2_CANCEL);
    }, ms);
    this.stream.on('close', () => clearTimeout(timer));
  }

  /** Bounds the time for the message of the call. */
  awaitMessage(arrivals: Arrivals): void {
    this.#arrivals = arrivals;
    arrivals.add(this);
  }

  expire(): void {
    this.fail(new RefusedCall(Code.DEADLINE_EXCEEDED, MESSAGE_LATE));
  }

  /** Notes that the pipeline has the call from here on and counts it. */
  handled(): void {
    this.#handled = true;
    this.#arrivals?.remove(this);
  }

  header(name: string): string | undefined {
    const value = this.headers[name];
    return typeof value === 'string' ? value : undefined;
  }

  setHeader(name: string, value: string): void {
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

  /** Sends one of several messages, framed. Requests are paused while the caller reads more slowly than it asks. */
  write(frame: Buffer): void {
    if (!this.open) return;
    if (!this.stream.headersSent) this.#respond();
    if (this.stream.write(frame) || this.stream.isPaused()) return;
    this.stream.pause();
    this.stream.once('drain', () => this.stream.resume());
  }

  /** Ends the call well after the messages that were written. */
  end(): void {
    this.#end(OK_TRAILERS);
  }

  /** Ends the call with a status. */
  endWith(status: ErrorStatus, metadata: OutgoingHttpHeaders = {}): void {
    this.#end(errorTrailers(status, metadata));
  }

  /** Ends the call by the server's own decision, or for an error. */
  fail(error: unknown): void {
    if (!this.open) return;
    if (error instanceof RefusedCall) {
      this.#refusedWith = error.countedAs;
      if (!this.#handled) this.#observer.onRefused(error.countedAs);
    }
    const status = statusOf(error, (defect) => this.#observer.onDefect(defect));
    this.endWith(status, error instanceof RefusedCall ? error.metadata : {});
    if (error instanceof RefusedCall) this.#notifyEnd();
  }

  #notifyEnd(): void {
    const answered = this.#ended && this.#refusedWith === null;
    const notify = answered ? null : this.#onEnd;
    this.#onEnd = null;
    notify?.();
  }

  #end(trailers: OutgoingHttpHeaders): void {
    if (!this.open) return;
    this.#ended = true;
    const { stream } = this;
    if (!stream.headersSent && this.#metadata === null) {
      stream.respond({ ':status': 200, 'content-type': this.#contentType, ...trailers }, WITHOUT_BODY);
      this.#dropRest();
      return;
    }
    if (!stream.headersSent) this.#respond();
    stream.on('wantTrailers', () => {
      stream.sendTrailers(trailers);
      // Node sends the trailers in the next turn.
      if (!stream.readableEnded) setImmediate(() => this.#dropRest());
    });
    stream.end();
  }

  #respond(): void {
    // Node sends a header list as is but copies an object. `sendDate: false` saves one header per response.
    const headers = [':status', '200', 'content-type', this.#contentType];
    if (this.#metadata !== null) headers.push(...this.#metadata);
    this.stream.respond(headers, WITH_TRAILERS);
  }

  /** Asks a caller that is still sending to stop: the server reads nothing more (RFC 9113, section 8.1). */
  #dropRest(): void {
    this.stream.resume();
    if (!this.stream.readableEnded) this.stream.close(constants.NGHTTP2_NO_ERROR);
  }
}

function ignore(): void {}

function sendOk(this: ServerHttp2Stream): void {
  this.sendTrailers(OK_TRAILERS);
}

/**
 * Drops the listeners of a closed stream. Node's closed streams survive small collections of garbage, with everything that
 * hangs from them (docs/contribute/measuring.md, "dead streams").
 */
function release(this: ServerHttp2Stream): void {
  this.removeAllListeners('data').removeAllListeners('end').removeAllListeners('wantTrailers');
}
