/** The request of a method that takes exactly one message. */
import { status as Code } from '@grpc/grpc-js';
import { MORE_MESSAGES, NO_MESSAGE } from '../refusal-texts.ts';
import type { Exchange } from './exchange.ts';
import { FrameReader } from './framing.ts';
import { RefusedCall } from './status.ts';

/**
 * Reads the message and calls `then` once the caller has sent it and nothing else; refuses the call otherwise.
 * @param maxBytes The largest message, where it is not the doors'.
 */
export const readOneMessage = (exchange: Exchange, then: (message: Buffer) => void, maxBytes?: number): void => {
  const { stream } = exchange;
  const frames = new FrameReader(exchange.header('grpc-encoding'), maxBytes);
  let message: Buffer | null = null;

  const read = (piece: Buffer): void => {
    frames.push(piece);
    message ??= frames.next();
    // At once, and not at the end: what comes after the message could go on for ever.
    if (message !== null && frames.pending) {
      throw new RefusedCall(Code.UNIMPLEMENTED, MORE_MESSAGES);
    }
  };
  const whole = (): Buffer => {
    if (message !== null) return message;
    throw frames.pending
      ? new RefusedCall(Code.INTERNAL, 'The request ends within a message.')
      : new RefusedCall(Code.UNIMPLEMENTED, NO_MESSAGE);
  };
  const attempt = (step: () => void): void => {
    if (!exchange.open) return;
    try {
      step();
    } catch (error) {
      exchange.fail(error);
    }
  };

  stream.on('data', (piece: Buffer) => attempt(() => read(piece)));
  stream.on('end', () => attempt(() => then(whole())));
};
