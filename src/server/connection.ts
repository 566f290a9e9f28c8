/** One connection as calls see it: whether its caller is known, and the bounds of a stranger where it is not. */
import type { ServerResponse } from 'node:http';
import { constants, type Http2Session, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { Socket } from 'node:net';
import type { Evidence, KnownCaller } from '../callers/known-callers.ts';
import type { CallConnection } from './call-connection.ts';
import { ShownEvidence } from './shown-evidence.ts';
import type { StrangerBounds, StrangerFault } from './stranger-bounds.ts';
import { type Reading, WorkShare } from './work-share.ts';

/** A request under way: its stream, or its response by HTTP/1.1. */
export type OpenRequest = ServerHttp2Stream | ServerResponse;

/** Callbacks of a connection. */
export interface ConnectionObserver {
  /** Called with each request of a stranger. Returns whether strangers as a whole ask too much. */
  request(): boolean;
  /** Called once the caller is known. */
  known(): void;
  /** Called when the connection ends itself. */
  ended(fault: StrangerFault): void;
}

/** The time, in milliseconds, that a peer has to read the last answers before its socket is destroyed. */
const LINGER_MS = 500;

export class Connection implements CallConnection {
  readonly address: string | undefined;
  readonly share = new WorkShare(() => this.#reading());
  readonly #socket: Socket;
  readonly #observer: ConnectionObserver;
  #session: ServerHttp2Session | null = null;
  #onKnown: (() => void) | null = null;
  /** Null once the caller is known. */
  #bounds: StrangerBounds | null;
  #caller: KnownCaller | null | undefined;
  /** Null for a stranger, and where no call has to authenticate. */
  #shown: ShownEvidence | null = null;
  /** Whether the observer knows of the caller. */
  #noted = false;
  #ending = false;
  #lastSeen = false;
  /** The requests under way of a stranger, with their times, the oldest first. */
  #open: Map<OpenRequest, number> | null = null;
  #unbound: ServerHttp2Stream | null = null;

  /** @param bounds Null where callers do not authenticate. */
  constructor(socket: Socket, bounds: StrangerBounds | null, observer: ConnectionObserver) {
    this.address = socket.remoteAddress;
    this.#socket = socket;
    this.#bounds = bounds;
    this.#caller = bounds === null ? null : undefined;
    this.#observer = observer;
  }

  get known(): boolean {
    return this.#bounds === null;
  }

  get caller(): KnownCaller | null | undefined {
    return this.#caller;
  }

  /** The bytes that the peer has sent. */
  get bytesRead(): number {
    return this.#socket.bytesRead;
  }

  /** Whether the server has decided to end the connection. */
  get ending(): boolean {
    return this.#ending;
  }

  /** Whether the server takes no further request of the connection. */
  get full(): boolean {
    return this.#ending || this.#lastSeen;
  }

  /** Whether another request would end the connection. */
  get exhausted(): boolean {
    return this.#bounds?.exhausted ?? false;
  }

  /**
   * Notes that the connection speaks HTTP/2.
   * @param onKnown Called when a call of a stranger has authenticated.
   */
  begin(session: ServerHttp2Session, onKnown: () => void): void {
    this.#session = session;
    this.#onKnown = onKnown;
    setConnection(session, this);
  }

  /**
   * Notes a request.
   * @returns False for a request that is not to be answered.
   */
  request(opened: OpenRequest): boolean {
    if (this.#ending) return false;
    if (this.#bounds === null) {
      // Where no caller authenticates, a connection is known by its first request.
      if (!this.#noted) this.authenticated(null, null);
      return true;
    }
    const now = performance.now();
    const fault = this.#bounds.request(now, this.#socket.bytesRead, this.#observer.request());
    if (fault !== null || !this.#bounds.hasRoom(this.#open?.size ?? 0)) {
      this.end(fault ?? 'requests');
      return false;
    }
    this.#open ??= new Map();
    this.#open.set(opened, now);
    const done = (): void => {
      this.#open?.delete(opened);
    };
    opened.once('close', () => {
      // A request that is refused has its answer before its body is there.
      if ('req' in opened && !opened.req.complete) opened.req.once('end', done);
      else done();
    });
    return true;
  }

  authenticated(caller: KnownCaller | null, evidence: Evidence | null): void {
    this.#caller = caller;
    if (evidence !== null) {
      this.#shown ??= new ShownEvidence();
      this.#shown.add(evidence);
    }
    if (this.#bounds !== null) this.#onKnown?.();
    this.#bounds = null;
    this.#open = null;
    if (this.#noted) return;
    this.#noted = true;
    this.#observer.known();
  }

  /** Looks whether a caller still authenticates by what the calls of the connection have shown. */
  review(holds: (evidence: Evidence) => boolean): boolean {
    return this.#shown?.review(holds) ?? true;
  }

  /** Gives the connection the bounds of a stranger again. The calls under way go on. */
  forget(bounds: StrangerBounds): void {
    this.#bounds = bounds;
    this.#caller = undefined;
    this.#shown = null;
    this.#noted = false;
  }

  refused(): void {
    const fault = this.#bounds?.refused(performance.now()) ?? null;
    if (fault !== null) this.end(fault);
  }

  lastRequest(): void {
    if (this.full) return;
    this.#lastSeen = true;
    this.#observer.ended('requests');
    this.#socket.pause();
  }

  unbound(stream: ServerHttp2Stream): void {
    if (this.#unbound !== null || this.#open === null) return;
    this.#unbound = stream;
    this.#open.delete(stream);
    stream.once('close', () => {
      this.#unbound = null;
    });
  }

  #reading(): Reading | null {
    const { _handle: handle } = this.#socket as Socket & { readonly _handle?: Reading | null };
    return this.full || this.#socket.destroyed ? null : (handle ?? null);
  }

  /** Looks at the bytes of a stranger. */
  checkBytes(now: number): void {
    if (this.#bounds === null || this.#ending) return;
    const fault = this.#bounds.checkBytes(now, this.#socket.bytesRead);
    if (fault !== null) this.end(fault);
  }

  /** Looks at a stranger as a whole. */
  check(now: number): void {
    if (this.#bounds === null || this.#ending) return;
    const [oldest] = this.#open ?? [];
    const fault = this.#bounds.check(now, this.#socket.bytesRead, oldest?.[1] ?? null);
    if (fault === null) return;
    const [opened] = oldest ?? [];
    // A stream ends alone, where its peer lets it: the connection may have a watch beside it.
    if (fault === 'slow_request' && opened !== undefined && 'session' in opened && !opened.closed) {
      opened.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    } else this.end(fault);
  }

  /**
   * Ends the connection: takes no new requests at once, sends the answers that are ready, and destroys the socket a little
   * later. A socket that is destroyed at once would take the answers from a peer that has not read them yet.
   * @param fault Null where the reason is not the connection's own.
   */
  end(fault: StrangerFault | null = null): void {
    if (this.#ending) return;
    this.#ending = true;
    if (fault !== null) this.#observer.ended(fault);
    // No answer is on its way. A flood of idle connections ends one for each that comes, and each farewell costs as much as a call.
    if (fault === null && !this.#open?.size) {
      this.#socket.destroy();
      return;
    }
    const session = this.#session;
    // Closed first: then Node leaves the socket open after its last frames, which are the answers and GOAWAY. At once: a loop
    // turn may read two megabytes more from every connection, and a destroyed session looks at none of them.
    session?.close();
    session?.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM);
    if (session === null) pauseParser(this.#socket);
    setImmediate(() => {
      if (session === null) this.#socket.end();
      // The peer waits, with all that it still has to send.
      this.#socket.pause();
    });
    setTimeout(() => this.#socket.destroy(), LINGER_MS).unref();
  }
}

/** Stops Node's parser of HTTP/1.1 after the piece at hand. */
function pauseParser(socket: Socket & { readonly parser?: { pause(): void } | null }): void {
  socket.parser?.pause();
}

/** The key under which sockets and sessions have their connection. */
const CONNECTION = Symbol('connection');

type Carrier = (Socket | Http2Session) & { [CONNECTION]?: Connection };

/** Notes the connection of a socket or a session. */
export function setConnection(carrier: Socket | Http2Session, connection: Connection): void {
  (carrier as Carrier)[CONNECTION] = connection;
}

/** Stands for a connection that is gone, of which nothing is bounded any more. */
const GONE = new Connection(new Socket(), null, { request: () => false, known: () => {}, ended: () => {} });

/** The connection of a socket or a session, which is undefined once it is gone. */
export function connectionOf(carrier: Socket | Http2Session | undefined): Connection {
  return (carrier as Carrier | undefined)?.[CONNECTION] ?? GONE;
}
