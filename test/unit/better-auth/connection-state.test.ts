/** The decisions of the plugin's publisher, without a connection. */
import { describe, expect, it } from 'vitest';
import {
  type ConnectionState,
  type Effect,
  type Input,
  initialState,
  nextTimer,
  reduce,
} from '../../../packages/better-auth/src/connection-state.ts';

const LIMITS = { idleMs: 60_000, bufferSize: 10 };
const START = { monotonic: 0, wall: 1_700_000_000_000 };
const WENT_AWAY = { kind: 'open failed', reason: 'gone' } as const;

describe('a publisher', () => {
  it('a publisher connects at the first request, and not before', () => {
    const publisher = begin();
    expect(publisher.timer()).toBeNull();
    expect(publisher.at(0, { kind: 'used' })).toEqual([{ kind: 'connect', connection: 1 }]);
    expect(publisher.at(1, { kind: 'used' })).toEqual([]);
    expect(publisher.at(2, { kind: 'opened' })).toEqual([{ kind: 'send' }]);
  });

  it('a publisher sends queued events while it is connected, and connects for them otherwise', () => {
    const publisher = begin();
    expect(publisher.at(0, { kind: 'changed' }, 1)).toEqual([{ kind: 'connect', connection: 1 }]);
    expect(publisher.at(1, { kind: 'opened' }, 1)).toEqual([{ kind: 'send' }]);
    expect(publisher.at(2, { kind: 'changed' }, 2)).toEqual([{ kind: 'send' }]);
  });

  it('a publisher reports the first fault and the end of the faults, and none in between', () => {
    const publisher = begin();
    publisher.at(0, { kind: 'changed' }, 1);
    expect(publisher.at(1, WENT_AWAY, 1)).toEqual([
      { kind: 'warn', line: 'events cannot be published (gone); up to 10 wait in memory' },
    ]);
    expect(publisher.at(51, { kind: 'timer' }, 1)).toEqual([{ kind: 'connect', connection: 2 }]);
    expect(publisher.at(52, WENT_AWAY, 1)).toEqual([]);
    publisher.at(152, { kind: 'timer' }, 1);
    publisher.at(153, { kind: 'opened' }, 1);
    expect(publisher.at(154, { kind: 'acknowledged', waited: 2 }, 1)).toEqual([
      { kind: 'warn', line: 'events are published again (2 waited)' },
      { kind: 'send' },
    ]);
    expect(publisher.at(155, { kind: 'acknowledged', waited: 1 }, 0)).toEqual([{ kind: 'send' }]);
  });

  it('a publisher waits 50 ms after the first fault, twice as long after each further one, and 2 s at most', () => {
    const publisher = begin();
    publisher.at(0, { kind: 'changed' }, 1);
    const pauses: number[] = [];
    for (let now = 1; pauses.length < 8; ) {
      publisher.at(now, WENT_AWAY, 1);
      const pause = publisher.timer(now, 1)?.inMs ?? Number.NaN;
      pauses.push(pause);
      now += pause;
      publisher.at(now, { kind: 'timer' }, 1);
    }
    expect(pauses).toEqual([50, 100, 200, 400, 800, 1_600, 2_000, 2_000]);
  });

  it('a publisher does not connect earlier because of requests and changes', () => {
    const publisher = begin();
    publisher.at(0, { kind: 'changed' }, 1);
    publisher.at(1, WENT_AWAY, 1);
    for (const kind of ['used', 'changed', 'timer'] as const) expect(publisher.at(50, { kind }, 2)).toEqual([]);
    expect(publisher.at(51, { kind: 'timer' }, 2)).toEqual([{ kind: 'connect', connection: 2 }]);
  });

  it('a publisher sends the first resync also when the last request was more than a minute ago', () => {
    const publisher = begin();
    publisher.at(0, { kind: 'used' });
    publisher.at(1, WENT_AWAY);
    publisher.at(59_000, { kind: 'timer' });
    expect(publisher.at(61_000, { kind: 'opened' })).toEqual([{ kind: 'resync' }, { kind: 'send' }]);
  });

  it('a publisher queues a resync with its first connection when NATS was away before, and with no later one', () => {
    const publisher = begin();
    publisher.at(0, { kind: 'used' });
    publisher.at(1, WENT_AWAY);
    publisher.at(51, { kind: 'timer' });
    expect(publisher.at(52, { kind: 'opened' })).toEqual([{ kind: 'resync' }, { kind: 'send' }]);
    publisher.at(53, { kind: 'publish failed', connection: 2, reason: 'no' }, 1);
    publisher.at(5_000, { kind: 'timer' }, 1);
    expect(publisher.at(5_001, { kind: 'opened' }, 1)).toEqual([{ kind: 'send' }]);
  });

  it('a publisher closes a connection whose publish failed, once, and opens another one after a pause', () => {
    const publisher = open();
    const failed = { kind: 'publish failed', connection: 1, reason: 'no answer' } as const;
    expect(publisher.at(2, failed, 2)).toEqual([
      { kind: 'warn', line: 'events cannot be published (no answer); up to 10 wait in memory' },
      { kind: 'close' },
    ]);
    expect(publisher.at(3, failed, 2)).toEqual([]);
    expect(publisher.at(52, { kind: 'timer' }, 2)).toEqual([{ kind: 'connect', connection: 2 }]);
  });

  it('a publisher reconnects at once when a check gets no answer, since connections die while a process is frozen', () => {
    const publisher = open();
    expect(publisher.at(2_001, { kind: 'used' })).toEqual([{ kind: 'check', boundMs: 500 }, { kind: 'send' }]);
    expect(publisher.at(2_501, { kind: 'checked', connection: 1, alive: false })).toEqual([
      { kind: 'close' },
      { kind: 'connect', connection: 2 },
    ]);
  });

  it('a publisher checks a connection at a request after 2 s of silence by either clock, and otherwise every 5 s', () => {
    const publisher = open();
    expect(publisher.at(1_999, { kind: 'used' })).toEqual([{ kind: 'send' }]);
    expect(publisher.at(1_999, { kind: 'used' }, 0, 10_000)).toEqual([
      { kind: 'check', boundMs: 500 },
      { kind: 'send' },
    ]);
    expect(publisher.at(2_100, { kind: 'checked', connection: 1, alive: true })).toEqual([{ kind: 'send' }]);
    expect(publisher.at(7_099, { kind: 'timer' })).toEqual([{ kind: 'send' }]);
    expect(publisher.at(7_100, { kind: 'timer' })).toEqual([{ kind: 'send' }, { kind: 'check', boundMs: 5_000 }]);
  });

  it('a publisher closes its connection after a minute without a request or a change', () => {
    const publisher = open();
    expect(publisher.at(59_000, { kind: 'timer' })).toContainEqual({ kind: 'check', boundMs: 5_000 });
    expect(publisher.at(60_000, { kind: 'timer' })).toEqual([{ kind: 'close' }]);
    expect(publisher.timer(60_000)).toBeNull();
    expect(publisher.at(60_001, { kind: 'used' })).toEqual([{ kind: 'connect', connection: 2 }]);
  });

  it('a publisher closes nothing while events wait, and ends an attempt to connect once it is open', () => {
    const publisher = open();
    expect(publisher.at(2, { kind: 'rest' }, 1)).toEqual([{ kind: 'send' }]);
    expect(publisher.at(3, { kind: 'rest' })).toEqual([{ kind: 'close' }]);
    publisher.at(4, { kind: 'used' });
    expect(publisher.at(5, { kind: 'rest' })).toEqual([]);
    expect(publisher.at(6, { kind: 'opened' })).toEqual([{ kind: 'close' }]);
  });

  it('a publisher keeps a process alive for waiting events: always while connected, and for 10 s without NATS', () => {
    const publisher = open();
    expect(publisher.timer(1, 1)).toEqual({ inMs: 5_000, keepAlive: true });
    expect(publisher.timer(1, 0)).toEqual({ inMs: 5_000, keepAlive: false });
    publisher.at(100, { kind: 'publish failed', connection: 1, reason: 'no' }, 1);
    expect(publisher.timer(10_099, 1)).toMatchObject({ keepAlive: true });
    expect(publisher.timer(10_100, 1)).toMatchObject({ keepAlive: false });
    publisher.at(101, { kind: 'changed' }, 2);
    expect(publisher.timer(10_100, 2)).toMatchObject({ keepAlive: true });
  });
});

/** A publisher on a clock of the test; `waiting` is the number of events that are not acknowledged. */
function begin() {
  let state: ConnectionState = initialState(START);
  const contextAt = (ms: number, waiting: number, suspendedMs = 0) => ({
    now: { monotonic: ms, wall: START.wall + ms + suspendedMs },
    waiting,
  });
  return {
    at: (ms: number, input: Input, waiting = 0, suspendedMs = 0): readonly Effect[] => {
      const step = reduce(state, input, contextAt(ms, waiting, suspendedMs), LIMITS);
      state = step.state;
      return step.effects;
    },
    timer: (ms = 0, waiting = 0) => nextTimer(state, contextAt(ms, waiting), LIMITS),
  };
}

/** A publisher that was used at 0 and has its first connection. */
function open() {
  const publisher = begin();
  publisher.at(0, { kind: 'used' });
  publisher.at(0, { kind: 'opened' });
  return publisher;
}
