/** Decides how a session resumes after the previous one: whether the stream is the one whose messages were applied. */
import { createHash } from 'node:crypto';
import { momentOf, type StreamSnapshot } from './jetstream.ts';

/** The last message that a process has applied. It outlives a session: the next one resumes from here. */
export interface ResumePoint {
  /** The identity of the stream; empty before the first one. */
  readonly stream: string;
  /** Names the history of the stream that the messages belong to. */
  readonly history: string;
  /** The number of the message; 0 before the first one. */
  readonly applied: number;
  /** When the stream took that message, in nanoseconds since 1970; null when this is not known. */
  readonly takenAt: string | null;
}

/** The resume point of a process that has applied nothing. */
export const NO_RESUME_POINT: ResumePoint = { stream: '', history: '', applied: 0, takenAt: null };

/**
 * `resume`: from the next message. `gap`: from the end of the stream, since messages may be missing. `rolled back`: in a new
 * history of the same stream. `new stream`: as at the first start.
 */
export type ResumePlan = 'resume' | 'gap' | 'rolled back' | 'new stream';

/**
 * Decides how to go on. A stream loses its newest messages when it is restored from an older copy, or when power fails before
 * its disk has them. It then uses their numbers again and may have passed the last applied number by now. So the moment of
 * that message is compared, not its number alone.
 * @param takenAtOf Looks a message up in the stream: when it was taken, null when the message is gone.
 */
export async function planResume(
  point: ResumePoint,
  stream: StreamSnapshot,
  takenAtOf: (seq: number) => Promise<string | null>,
): Promise<ResumePlan> {
  // guard: same-stream-when-a-session-begins
  if (point.stream !== stream.identity) return 'new stream';
  // guard: number-below-the-last-one
  if (stream.lastSeq < point.applied) return 'rolled back';
  if (point.applied === 0) return 'resume';
  if (stream.lastSeq === point.applied) {
    // guard: moment-of-the-last-message-at-the-same-number
    return point.takenAt !== null && stream.lastTakenAt === point.takenAt ? 'resume' : 'rolled back';
  }
  const found = await takenAtOf(point.applied);
  if (found !== null && point.takenAt !== null) {
    // guard: moment-of-the-last-message-at-a-later-number
    return found === point.takenAt ? 'resume' : 'rolled back';
  }
  // The message is gone, so nothing shows whether the messages after it are the ones that followed it before.
  return 'gap';
}

/** Whether a stream has lost messages that were applied: it has fewer, or as many with another last one. */
export function hasLostMessages({ applied, takenAt }: ResumePoint, { lastSeq, lastTakenAt }: StreamSnapshot): boolean {
  return (
    lastSeq < applied ||
    // guard: moment-of-the-last-message-while-connected
    (lastSeq === applied && takenAt !== null && lastTakenAt !== takenAt)
  );
}

/**
 * Names the history of a stream that lost its newest messages. All processes find the same name, whenever they notice: it is
 * made from the last message that both histories have. Later messages of the new history are younger than every message of
 * the old one, which tells the two apart.
 * @param lastSeqBefore Looks up the last message that the stream took before a moment (RFC 3339).
 */
export async function historyAfter(
  { history, takenAt }: ResumePoint,
  stream: StreamSnapshot,
  lastSeqBefore: (moment: string) => Promise<number>,
): Promise<string> {
  const last = stream.lastTakenAt;
  const isPast = takenAt !== null && last !== null && BigInt(last) > BigInt(takenAt);
  const survived = isPast ? await lastSeqBefore(momentOf(String(BigInt(takenAt) + 1n))) : stream.lastSeq;
  const before = createHash('sha256').update(`${history}~${survived}`).digest('base64url').slice(0, 8);
  return `${stream.identity}~${survived}.${before}`;
}
