/**
 * A client of HTTP/2 for load: it obeys windows, the number of streams and GOAWAY as gRPC clients do, resets calls at their
 * deadline, and takes little CPU. Whether a call was answered it sees by the message; the honest caller looks into answers.
 */
import { connect, type Socket } from 'node:net';
import {
  ACK,
  clientHello,
  dataFrames,
  END_HEADERS,
  END_STREAM,
  FRAME,
  frameReader,
  http2Frame,
  settings,
} from '../tools/network/http2-frames.ts';
import { grpcMessage } from './requests.ts';

/** One call. */
export interface LoadCall {
  readonly body: Uint8Array;
  /** Called once, with whether the call was answered by a message. */
  readonly done: (ok: boolean) => void;
}

export interface LoadConnection {
  /** Sends the call, or keeps it until there is a stream and a window for it. @returns Ends it, as a deadline does. */
  send(call: LoadCall): () => void;
  close(): void;
}

const MAX_CONCURRENT_STREAMS = 3;
const INITIAL_WINDOW_SIZE = 4;
const WINDOW = 65_535;
const LARGE_WINDOW = 2 ** 30;
const CANCEL = Buffer.of(0, 0, 0, 8);
const MAX_STREAM = 2 ** 31 - 1;
const AGAIN_MS = 20;

/** @param block The headers of every call. */
export function createLoadConnection(port: number, block: Buffer): LoadConnection {
  const waiting = new Set<LoadCall>();
  let link: Link | null = null;
  let closed = false;
  const open = (): void => {
    if (closed) return;
    link = createLink(port, block, waiting, () => {
      link = null;
      setTimeout(open, AGAIN_MS);
    });
  };
  open();
  return {
    send: (call) => {
      let over = false;
      const once: LoadCall = {
        body: call.body,
        done: (ok) => {
          if (!over) call.done(ok);
          over = true;
        },
      };
      waiting.add(once);
      link?.sendWaiting();
      return () => {
        if (over) return;
        if (!waiting.delete(once)) link?.reset(once);
        once.done(false);
      };
    },
    close: () => {
      closed = true;
      link?.close();
    },
  };
}

interface Link {
  sendWaiting(): void;
  reset(call: LoadCall): void;
  close(): void;
}

function createLink(port: number, block: Buffer, waiting: Set<LoadCall>, onEnd: () => void): Link {
  const socket: Socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const streams = new Map<number, { readonly call: LoadCall; answered: boolean }>();
  const numbers = new Map<LoadCall, number>();
  let next = 1;
  let room = WINDOW;
  // Nothing is sent before the service has named the number.
  let maxStreams = 0;
  let greeted = false;
  let leaving = false;

  const finish = (stream: number, ok: boolean): void => {
    const found = streams.get(stream);
    if (found === undefined) return;
    streams.delete(stream);
    numbers.delete(found.call);
    found.call.done(ok);
  };
  const sendWaiting = (): void => {
    if (leaving || socket.destroyed) return;
    const frames: Buffer[] = [];
    for (const call of waiting) {
      const message = grpcMessage(call.body);
      if (streams.size >= maxStreams || message.length > room || next > MAX_STREAM) break;
      waiting.delete(call);
      room -= message.length;
      streams.set(next, { call, answered: false });
      numbers.set(call, next);
      frames.push(http2Frame(FRAME.HEADERS, END_HEADERS, next, block), dataFrames(next, message));
      next += 2;
    }
    if (frames.length > 0) socket.write(Buffer.concat(frames));
  };
  const onFrame = (type: number, flags: number, stream: number, payload: Buffer): void => {
    if (type === FRAME.DATA && payload.length > 0) {
      const found = streams.get(stream);
      if (found !== undefined) found.answered = true;
    }
    if (type === FRAME.RST_STREAM) finish(stream, false);
    if ((type === FRAME.HEADERS || type === FRAME.DATA) && flags & END_STREAM) {
      finish(stream, streams.get(stream)?.answered === true);
    }
    if (type === FRAME.WINDOW_UPDATE && stream === 0) room += payload.readUInt32BE(0);
    if (type === FRAME.PING && (flags & ACK) === 0) socket.write(http2Frame(FRAME.PING, ACK, 0, payload));
    if (type === FRAME.SETTINGS && (flags & ACK) === 0) {
      maxStreams = streamsOf(payload);
      // The hello acknowledged the first ones. The service waits for the others (RFC 9113, section 6.5.3).
      if (greeted) socket.write(http2Frame(FRAME.SETTINGS, ACK, 0));
      greeted = true;
    }
    if (type === FRAME.GOAWAY) {
      leaving = true;
      if (streams.size === 0) socket.end();
    }
  };
  const hello = clientHello(settings({ [INITIAL_WINDOW_SIZE]: LARGE_WINDOW }));
  const window = Buffer.alloc(4);
  window.writeUInt32BE(LARGE_WINDOW);
  socket.write(Buffer.concat([hello, http2Frame(FRAME.WINDOW_UPDATE, 0, 0, window)]));
  const read = frameReader(onFrame);
  socket.on('data', (piece: Buffer) => {
    read(piece);
    if (leaving && streams.size === 0) socket.end();
    else sendWaiting();
  });
  socket.on('error', () => {});
  socket.once('close', () => {
    for (const stream of [...streams.keys()]) finish(stream, false);
    onEnd();
  });
  return {
    sendWaiting,
    reset: (call) => {
      const stream = numbers.get(call);
      if (stream === undefined) return;
      streams.delete(stream);
      numbers.delete(call);
      if (!socket.destroyed) socket.write(http2Frame(FRAME.RST_STREAM, 0, stream, CANCEL));
    },
    close: () => void socket.destroy(),
  };
}

/** The number of streams that SETTINGS name; unlimited where they name none (RFC 9113, section 6.5.2). */
function streamsOf(payload: Buffer): number {
  for (let at = 0; at + 6 <= payload.length; at += 6) {
    if (payload.readUInt16BE(at) === MAX_CONCURRENT_STREAMS) return payload.readUInt32BE(at + 2);
  }
  return Number.POSITIVE_INFINITY;
}
