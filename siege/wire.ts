/** Connections of an attacker: bytes as they are, from other addresses than the honest caller's. */
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { clientHello, END_HEADERS, END_STREAM, FRAME, frameReader } from '../tools/network/http2-frames.ts';
import type { Tally, Target } from './scenario.ts';

/** One connection. */
export interface Wire {
  readonly socket: Socket;
  /** Whether neither side has ended it. */
  isOpen(): boolean;
  /** Writes; resolves to whether the connection is open once there is room for more. */
  write(bytes: Uint8Array): Promise<boolean>;
  /** Resolves when either side has ended it. */
  readonly ended: Promise<void>;
  /** Ends it; that does not count as an end by the service. */
  leave(): void;
}

export interface WireOptions {
  readonly port: number;
  /** Written at once. */
  readonly hello?: Uint8Array;
  /** Whether what the service sends is read. */
  readonly reads?: boolean;
  /** Gets what the service sends. */
  readonly onData?: (piece: Buffer) => void;
  /** From which of its addresses the attacker connects; the first unless it says otherwise. */
  readonly address?: number;
}

/** An attack as its lanes see it. */
export interface Lanes {
  readonly target: Target;
  readonly tally: Tally;
  /** Whether its time is over. */
  over(): boolean;
  /** Connects; resolves to null when the service or the system does not take the connection. */
  open(options: WireOptions): Promise<Wire | null>;
}

/** Where attackers connect from: the honest caller is at 127.0.0.1. Linux has all of 127.0.0.0/8 on loopback. */
export const ATTACKER_ADDRESSES = 200;
const CONNECT_MS = 2_000;
/** The pause of an attacker before it connects again after a connection that was not taken. */
const AGAIN_MS = 5;

/**
 * Runs `count` lanes side by side until the time is over. Each connects, does its harm, waits for the end of its connection and
 * begins again. Connections that the service has not ended stay.
 */
export async function attackInLanes(
  target: Target,
  tally: Tally,
  count: number,
  lane: (lanes: Lanes, index: number) => Promise<Wire | null>,
): Promise<void> {
  const began = performance.now();
  const over = (): boolean => {
    const seconds = (performance.now() - began) / 1_000;
    return seconds >= (tally.ended > 0 ? target.seconds : target.atMostSeconds);
  };
  const lanes: Lanes = { target, tally, over, open: (options) => openWire(options, tally) };
  const wholeTime = waitUntil(over, target.seconds);
  const run = async (index: number): Promise<void> => {
    while (!over()) {
      const wire = await lane(lanes, index);
      if (wire === null) await delay(AGAIN_MS);
      else await Promise.race([wire.ended, wholeTime]);
    }
  };
  await Promise.all(Array.from({ length: count }, (_, index) => run(index)));
}

/** Waits for these seconds, and then until the time is over. Connections that are not read are read from then on. */
async function waitUntil(over: () => boolean, seconds: number): Promise<void> {
  await delay(seconds * 1_000);
  while (!over()) {
    for (const socket of unread) socket.resume();
    await delay(LOOK_MS);
  }
}

/** Writes pieces as fast as they are taken, until the connection or the time is over. */
export async function flood(
  { over, tally }: Lanes,
  wire: Wire,
  next: () => { readonly bytes: Uint8Array; readonly count: number },
): Promise<void> {
  while (!over() && wire.isOpen()) {
    const { bytes, count } = next();
    if (!(await wire.write(bytes))) return;
    tally.sent += count;
    // Answers, and the end of the time, are seen between two pieces.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Reads a connection of HTTP/2 and calls `onEnd` for each stream that the service ends. */
export function streamEnds(onEnd: (stream: number) => void): (piece: Buffer) => void {
  return frameReader((type, flags, stream) => {
    const ends = type === FRAME.RST_STREAM || ((type === FRAME.HEADERS || type === FRAME.DATA) && flags & END_STREAM);
    if (stream !== 0 && ends) onEnd(stream);
  });
}

/** Connections whose bytes are not read: their end does not show either. */
const unread = new Set<Socket>();
const SEEN_MS = 300;
/** The longest wait for a first end. */
const MAX_SEEN_MS = 5_000;
const LOOK_MS = 50;

/** Reads what was left unread, so that connections that the service has ended are counted. */
export async function seeEnds(tally: Tally): Promise<void> {
  for (const socket of unread) socket.resume();
  const until = performance.now() + MAX_SEEN_MS;
  do await delay(SEEN_MS);
  while (unread.size > 0 && tally.ended === 0 && performance.now() < until);
}

/** The flags of a request without a body. */
export const WHOLE_REQUEST = END_STREAM | END_HEADERS;

function openWire(
  { port, hello = clientHello(), reads = true, onData, address = 0 }: WireOptions,
  tally: Tally,
): Promise<Wire | null> {
  return new Promise((resolve) => {
    const localAddress = process.platform === 'linux' ? `127.0.0.${2 + (address % ATTACKER_ADDRESSES)}` : '127.0.0.1';
    const socket = connect({ port, host: '127.0.0.1', localAddress, noDelay: true });
    const timer = setTimeout(() => socket.destroy(), CONNECT_MS);
    socket.on('error', () => {});
    socket.once('close', () => resolve(null));
    socket.once('connect', () => {
      clearTimeout(timer);
      tally.opened += 1;
      if (hello.length > 0) socket.write(hello);
      if (onData !== undefined) socket.on('data', onData);
      else if (reads) socket.resume();
      else {
        unread.add(socket);
        socket.pause();
      }
      resolve(wireOf(socket, tally));
    });
  });
}

function wireOf(socket: Socket, tally: Tally): Wire {
  let left = false;
  const ended = new Promise<void>((resolve) => {
    socket.once('close', () => {
      if (!left) tally.ended += 1;
      resolve();
    });
  });
  // A connection that is not read shows its end only by a write.
  socket.once('end', () => socket.destroy());
  const isOpen = (): boolean => !socket.destroyed && socket.writable;
  return {
    socket,
    isOpen,
    ended,
    leave: () => {
      left = true;
      socket.destroy();
    },
    write: async (bytes) => {
      if (!isOpen()) return false;
      if (!socket.write(bytes)) {
        await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), ended, delay(WRITE_MS)]);
      }
      return isOpen();
    },
  };
}

/** A service that reads no more: the attacker looks at its time again after this. */
const WRITE_MS = 250;
