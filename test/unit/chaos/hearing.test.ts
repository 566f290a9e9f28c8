/** Hearing in time, why calls failed, and what positions include. */
import { describe, expect, it } from 'vitest';
import { createFaultLog } from '../../../chaos/fault-log.ts';
import { createHearingWatch } from '../../../chaos/hearing.ts';
import { includes, parsePosition } from '../../../chaos/streams.ts';

const CREATED = '2026-01-01T00:00:00.123456789Z';

describe('positions', () => {
  it('are read from the metadata', () => {
    expect(parsePosition(`js:BETTERAUTH:${CREATED}:17`)).toEqual({ created: CREATED, seq: 17, exact: true });
    expect(parsePosition(`js:BETTERAUTH:${CREATED}@d_-1:17`)).toEqual({ created: CREATED, seq: 17, exact: true });
    for (const rolledBack of [`${CREATED}~16.0f-_`, `${CREATED}~16.0f-_@d_-1`]) {
      expect(parsePosition(`js:BETTERAUTH:${rolledBack}:17`)).toEqual({ created: CREATED, seq: 17, exact: false });
    }
    for (const none of ['', ':0', '@d:0', 'ttl:0', 'ttl@d:0', 'core:abc:3']) expect(parsePosition(none)).toBeNull();
  });

  it('include nothing of a stream that lost messages', () => {
    const position = { created: CREATED, seq: 17, exact: true };
    expect(includes(position, { created: CREATED, seq: 17 })).toBe(true);
    expect(includes(position, { created: `${CREATED} lost messages`, seq: 3 })).toBe(false);
  });
});

describe('the fault log', () => {
  it('knows what was broken for whom, and for a while after', () => {
    const log = createFaultLog();
    const healed = log.begin('nats', 1, 1_000);
    expect(log.broken('nats', 1, 1_500, 100)).toBe(true);
    expect(log.broken('nats', 0, 1_500, 100)).toBe(false);
    expect(log.broken('redis', 1, 1_500, 100)).toBe(false);
    healed(2_000);
    expect(log.broken('nats', 1, 2_050, 100)).toBe(true);
    expect(log.broken('nats', 1, 2_150, 100)).toBe(false);
    log.begin('nats', 'all', 3_000);
    expect(log.broken('nats', 0, 9_000, 100)).toBe(true);
  });
});

describe('the watch on hearing', () => {
  const position = (seq: number) => ({ created: CREATED, seq, exact: true });

  it('finds a replica that is more than a second behind', () => {
    const watch = createHearingWatch(createFaultLog());
    watch.acknowledged({ created: CREATED, seq: 5 }, 10_000);
    watch.acknowledged({ created: CREATED, seq: 6 }, 10_500);
    expect(watch.late(0, 10_900, position(4))).toBeNull();
    expect(watch.late(0, 11_100, position(5))).toBeNull();
    expect(watch.late(0, 11_100, position(4))).toBe(1_100);
    expect(watch.late(0, 11_600, null)).toBe(1_100);
  });

  it('excuses one whose link was broken, and no other', () => {
    const log = createFaultLog();
    const watch = createHearingWatch(log);
    const healed = log.begin('nats', 1, 9_000);
    watch.acknowledged({ created: CREATED, seq: 5 }, 10_000);
    healed(10_500);
    expect(watch.late(1, 11_500, position(4))).toBeNull();
    expect(watch.late(0, 11_500, position(4))).toBe(1_500);
  });
});
