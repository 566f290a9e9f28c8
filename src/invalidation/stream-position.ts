/**
 * What a process has heard of the stream, kept over sessions, and whether the stream is still the one that it heard.
 */
import { createHash, randomUUID } from 'node:crypto';
import { type JetStreamManager, NatsError, type StreamInfo } from 'nats';
import { momentOf, nanosecondsOf } from './delivery.ts';
import { addConsumer } from './stream-consumer.ts';

export interface StreamPosition {
  /** Which stream, by name and moment of creation; empty before the first. */
  stream: string;
  /** Names the history of it that was heard. */
  history: string;
  applied: number;
  /** When the stream took the message `applied`; null where that was never told. */
  takenAt: string | null;
}

export const createStreamPosition = (): StreamPosition => ({
  stream: '',
  history: '',
  applied: 0,
  takenAt: null,
});

/** Tells a stream from one of the same name that was made later. */
export const identity = (info: StreamInfo): string => `js:${info.config.name}:${info.created}`;

/** When the stream took its last message. */
export const lastTakenAt = ({ state }: StreamInfo): string | null => nanosecondsOf(state.last_ts);

/** Whether a stream shows that it lost messages that were heard: it has fewer, or as many with another last one. */
export const wentBack = ({ applied, takenAt }: StreamPosition, info: StreamInfo): boolean => {
  const { last_seq } = info.state;
  return (
    last_seq < applied ||
    // guard: moment-of-the-last-message-while-connected
    (last_seq === applied && takenAt !== null && lastTakenAt(info) !== takenAt)
  );
};

/** How to go on: from the next message, after a gap, in a history that differs from the one heard, or as at the start. */
export type Plan = 'resume' | 'gap' | 'rolled back' | 'anew';

/**
 * Names the history of a stream that lost its newest messages: the same in all processes that noticed, whenever they did.
 * What tells it from the one before is the last message that both have. Those that came after it in the new one are younger
 * than any message of the old one.
 */
export const historyAfter = async (
  manager: JetStreamManager,
  { history, takenAt }: StreamPosition,
  info: StreamInfo,
): Promise<string> => {
  const last = lastTakenAt(info);
  let survived = info.state.last_seq;
  if (takenAt !== null && last !== null && BigInt(last) > BigInt(takenAt)) {
    // Nobody listens to this consumer, which the server removes by itself: it says where it would begin.
    const moment = momentOf(String(BigInt(takenAt) + 1n));
    const { delivered } = await addConsumer(manager, info.config.name, `_INBOX.${randomUUID()}`, { moment });
    survived = delivered.stream_seq;
  }
  const before = createHash('sha256').update(`${history}~${survived}`).digest('base64url').slice(0, 8);
  return `${identity(info)}~${survived}.${before}`;
};

const NO_MESSAGE = 10037;

const takenAt = async (manager: JetStreamManager, stream: string, seq: number): Promise<string | null> => {
  try {
    return nanosecondsOf((await manager.streams.getMessage(stream, { seq })).timestamp);
  } catch (error) {
    if (error instanceof NatsError && error.api_error?.err_code === NO_MESSAGE) return null;
    throw error;
  }
};

/**
 * Decides how to go on. A stream that lost its newest messages (restored from an older copy, or power lost before its
 * disk had them) uses their numbers again, and may by now be past the last one heard: hence the message of that number is
 * looked at, not the number alone.
 */
export const planSession = async (
  manager: JetStreamManager,
  position: StreamPosition,
  info: StreamInfo,
): Promise<Plan> => {
  // guard: same-stream-when-a-session-begins
  if (position.stream !== identity(info)) return 'anew';
  const { last_seq } = info.state;
  // guard: number-below-the-last-one
  if (last_seq < position.applied) return 'rolled back';
  if (position.applied === 0) return 'resume';
  if (last_seq === position.applied) {
    // guard: moment-of-the-last-message-at-the-same-number
    return position.takenAt !== null && lastTakenAt(info) === position.takenAt ? 'resume' : 'rolled back';
  }
  const found = await takenAt(manager, info.config.name, position.applied);
  if (found !== null && position.takenAt !== null) {
    // guard: moment-of-the-last-message-at-a-later-number
    return found === position.takenAt ? 'resume' : 'rolled back';
  }
  // The message is gone: nothing says whether those after it are the ones that came after it then.
  return 'gap';
};
