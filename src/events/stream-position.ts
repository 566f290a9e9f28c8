/**
 * What a process has heard of the stream, kept over sessions, and whether the stream is still the one that it heard.
 */
import { type JetStreamManager, NatsError, type StreamInfo } from 'nats';
import { nanosecondsOf } from './delivery.ts';

export interface StreamPosition {
  /** Which stream, by name and moment of creation; empty before the first. */
  stream: string;
  applied: number;
  /** When the stream took the message `applied`; null where that was never told. */
  takenAt: string | null;
  /** Whether core NATS was listened to since: what it told is not in the stream. */
  afterCore: boolean;
}

export const createStreamPosition = (): StreamPosition => ({
  stream: '',
  applied: 0,
  takenAt: null,
  afterCore: false,
});

/** Tells a stream from one of the same name that was made later. */
export const identity = (info: StreamInfo): string => `js:${info.config.name}:${info.created}`;

/** When the stream took its last message. */
export const lastTakenAt = ({ state }: StreamInfo): string | null => nanosecondsOf(state.last_ts);

/** Whether a stream shows that it lost messages that were heard: it has fewer, or as many with another last one. */
export const wentBack = ({ applied, takenAt }: StreamPosition, info: StreamInfo): boolean => {
  const { last_seq } = info.state;
  return last_seq < applied || (last_seq === applied && takenAt !== null && lastTakenAt(info) !== takenAt);
};

/**
 * How to go on: from the next message, after a gap, in a history that differs from the one heard, as at the start, or as at
 * the start with numbers that do not tell what was read before an event of core NATS.
 */
export type Plan = 'resume' | 'gap' | 'rolled back' | 'anew' | 'after core NATS';

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
  if (position.afterCore) return 'after core NATS';
  if (position.stream !== identity(info)) return 'anew';
  const { last_seq } = info.state;
  if (last_seq < position.applied) return 'rolled back';
  if (position.applied === 0) return 'resume';
  if (last_seq === position.applied) {
    return position.takenAt !== null && lastTakenAt(info) === position.takenAt ? 'resume' : 'rolled back';
  }
  const found = await takenAt(manager, info.config.name, position.applied);
  if (found !== null && position.takenAt !== null) return found === position.takenAt ? 'resume' : 'rolled back';
  // The message is gone: nothing says whether those after it are the ones that came after it then.
  return 'gap';
};
