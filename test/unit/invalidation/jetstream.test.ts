import type { StreamInfo } from 'nats';
import { describe, expect, it } from 'vitest';
import { nanosecondsOf, parseDelivery, snapshotOf } from '../../../src/invalidation/jetstream.ts';

const TAKEN = '1795593600123456789';

describe('the numbers of a message', () => {
  it.each([
    ['as servers have written it from the start', `$JS.ACK.S.C.1.42.7.${TAKEN}.0`],
    ['with domain and account in front', `$JS.ACK.hub.ACCOUNT.S.C.1.42.7.${TAKEN}.0`],
    ['with a token more at its end', `$JS.ACK._.ACCOUNT.S.C.1.42.7.${TAKEN}.0.r4nd0m`],
  ])('the numbers of a message are read from a reply subject %s', (_, reply) => {
    expect(parseDelivery(reply)).toEqual({ streamSeq: 42, consumerSeq: 7, takenAt: TAKEN });
  });

  it.each([
    undefined,
    '',
    '_INBOX.abc',
    '$JS.FC.S.C.x',
    '$JS.ACK.S.C',
    '$JS.ACK.S.C.1.x.7.1.0',
    '$JS.ACK.S.C.1.9007199254740993.7.1.0',
  ])('the reply subject %s has no numbers', (reply) => {
    expect(parseDelivery(reply)).toBeNull();
  });
});

describe('a moment of a JetStream answer', () => {
  it.each([
    ['2026-11-25T08:00:00.123456789Z', TAKEN],
    ['2026-11-25T08:00:00.12Z', '1795593600120000000'],
    ['2026-11-25T08:00:00Z', '1795593600000000000'],
    ['2026-11-25T09:00:00.123456789+01:00', TAKEN],
    ['0001-01-01T00:00:00Z', null],
    ['never', null],
  ])('the moment %s is read as %s nanoseconds', (moment, expected) => {
    expect(nanosecondsOf(moment)).toBe(expected);
  });
});

it('a stream without a moment of its creation has no identity', () => {
  const info = (created: string): StreamInfo =>
    ({
      config: { name: 'EVENTS' },
      created,
      state: { first_seq: 1, last_seq: 2, last_ts: '2026-01-01T00:00:00Z', messages: 2 },
    }) as StreamInfo;
  expect(snapshotOf(info('2026-01-01T00:00:00.5Z')).identity).toBe('js:EVENTS:2026-01-01T00:00:00.5Z');
  expect(() => snapshotOf(info('0001-01-01T00:00:00Z'))).toThrow(
    'NATS does not know yet when the stream EVENTS was created',
  );
});
