/** The lag of replicas, the reasons of failed calls, and the events that revisions include. */
import { describe, expect, it } from 'vitest';
import { createFaultLog } from '../../../chaos/fault-log.ts';
import { createLagWatch } from '../../../chaos/lag.ts';
import { includes, parseRevision } from '../../../chaos/streams.ts';

const CREATED = '2026-01-01T00:00:00.123456789Z';

describe('revisions', () => {
  it('revisions are read from the metadata', () => {
    expect(parseRevision(`js:BETTERAUTH:${CREATED}:17`)).toEqual({ created: CREATED, seq: 17, exact: true });
    expect(parseRevision(`js:BETTERAUTH:${CREATED}@d_-1:17`)).toEqual({ created: CREATED, seq: 17, exact: true });
    for (const rolledBack of [`${CREATED}~16.0f-_`, `${CREATED}~16.0f-_@d_-1`]) {
      expect(parseRevision(`js:BETTERAUTH:${rolledBack}:17`)).toEqual({ created: CREATED, seq: 17, exact: false });
    }
    for (const none of ['', ':0', '@d:0', 'ttl:0', 'ttl@d:0', 'core:abc:3']) expect(parseRevision(none)).toBeNull();
  });

  it('revisions include no event of a stream that lost messages', () => {
    const revision = { created: CREATED, seq: 17, exact: true };
    expect(includes(revision, { created: CREATED, seq: 17 })).toBe(true);
    expect(includes(revision, { created: `${CREATED} lost messages`, seq: 3 })).toBe(false);
  });
});

describe('the fault log', () => {
  it('the fault log knows the broken parts of each replica, also for a while after the fault', () => {
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

describe('the lag watch', () => {
  const revision = (seq: number) => ({ created: CREATED, seq, exact: true });

  it('the lag watch finds a replica that is more than a second behind', () => {
    const watch = createLagWatch(createFaultLog());
    watch.acknowledged({ created: CREATED, seq: 5 }, 10_000);
    watch.acknowledged({ created: CREATED, seq: 6 }, 10_500);
    expect(watch.late(0, 10_900, revision(4))).toBeNull();
    expect(watch.late(0, 11_100, revision(5))).toBeNull();
    expect(watch.late(0, 11_100, revision(4))).toBe(1_100);
    expect(watch.late(0, 11_600, null)).toBe(1_100);
  });

  it('the lag watch excuses a replica whose link was broken, and no other replica', () => {
    const log = createFaultLog();
    const watch = createLagWatch(log);
    const healed = log.begin('nats', 1, 9_000);
    watch.acknowledged({ created: CREATED, seq: 5 }, 10_000);
    healed(10_500);
    expect(watch.late(1, 11_500, revision(4))).toBeNull();
    expect(watch.late(0, 11_500, revision(4))).toBe(1_500);
  });
});
