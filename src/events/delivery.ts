/** Where a JetStream message stands, from its reply subject (ADR-15 of NATS). Pure. */

export interface Delivery {
  /** The message's sequence in the stream. */
  readonly streamSeq: number;
  /** How many messages the consumer has delivered with this one. */
  readonly consumerSeq: number;
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
  if (!Number.isSafeInteger(streamSeq) || !Number.isSafeInteger(consumerSeq)) return null;
  return { streamSeq, consumerSeq };
};
