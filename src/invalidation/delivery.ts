/** Where a JetStream message stands, from its reply subject (ADR-15 of NATS). Pure. */

export interface Delivery {
  /** The message's sequence in the stream. */
  readonly streamSeq: number;
  /** How many messages the consumer has delivered with this one. */
  readonly consumerSeq: number;
  /** When the stream took the message, in nanoseconds since the epoch. */
  readonly takenAt: string;
}

/**
 * `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>`, or the same with domain and
 * account in front of the stream. Null for anything else, such as heartbeats and flow control.
 */
export const parseDelivery = (reply: string | undefined): Delivery | null => {
  if (reply === undefined || !reply.startsWith('$JS.ACK.')) return null;
  const tokens = reply.split('.');
  const offset = tokens.length >= 11 ? 2 : 0;
  const streamSeq = Number(tokens[5 + offset]);
  const consumerSeq = Number(tokens[6 + offset]);
  const takenAt = tokens[7 + offset];
  if (!Number.isSafeInteger(streamSeq) || !Number.isSafeInteger(consumerSeq) || takenAt === undefined) return null;
  return { streamSeq, consumerSeq, takenAt };
};

/** The moment of {@link Delivery.takenAt} as RFC 3339 has it, with all nine digits. */
export const momentOf = (nanoseconds: string): string =>
  `${new Date(Number(nanoseconds.slice(0, -9)) * 1_000).toISOString().slice(0, 19)}.${nanoseconds.slice(-9)}Z`;

const MOMENT = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/;

/** The moment of an API answer in the form of {@link Delivery.takenAt}; null for none. */
export const nanosecondsOf = (moment: string): string | null => {
  const [, seconds, fraction = '', zone = ''] = MOMENT.exec(moment) ?? [];
  if (seconds === undefined) return null;
  const sinceEpoch = Date.parse(`${seconds}${zone}`) / 1_000;
  return sinceEpoch > 0 ? `${sinceEpoch}${fraction.padEnd(9, '0')}` : null;
};
