/** The plugin's publisher against a NATS that fails at any moment: one connection at a time, and nothing waits forever. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  type Effect,
  type Input,
  initialState,
  nextTimer,
  reduce,
} from '../../../packages/better-auth/src/connection-state.ts';

const LIMITS = { idleMs: 3_000, bufferSize: 100 };
const RUNS = Number(process.env['ASSENT_PROPERTY_RUNS'] ?? 1_000);

/** One move of the application, of NATS or of time. */
const move = fc.oneof(
  fc.constantFrom('use', 'change', 'rest', 'open', 'fail', 'acknowledge', 'refuse', 'dead', 'alive', 'end', 'late'),
  fc.integer({ min: 1, max: 7_000 }),
);

it('the publisher has one connection at a time, and uses no other', () => {
  fc.assert(
    fc.property(fc.array(move, { maxLength: 60 }), (moves) => {
      const world = createWorld();
      for (const one of moves) world.play(one);
    }),
    { numRuns: RUNS },
  );
});

it('the publisher publishes every event once NATS answers again, and then closes its connection', () => {
  fc.assert(
    fc.property(fc.array(move, { maxLength: 60 }), (moves) => {
      const world = createWorld();
      for (const one of moves) world.play(one);
      world.recover();
      expect(world.waiting()).toBe(0);
      expect(world.phase()).toBe('closed');
    }),
    { numRuns: RUNS },
  );
});

/** A publisher, its events and its NATS. Each effect is checked against the connections that there are. */
function createWorld() {
  let now = 0;
  let waiting = 0;
  let underWay = 0;
  let attempt = false;
  let connection: number | null = null;
  let resyncs = 0;
  const moment = () => ({ monotonic: now, wall: 1_700_000_000_000 + now });
  let state = initialState(moment());

  const perform = (effect: Effect): void => {
    if (effect.kind === 'connect') {
      expect({ attempt, connection }).toEqual({ attempt: false, connection: null });
      attempt = true;
    } else if (effect.kind === 'resync') {
      resyncs += 1;
      waiting += 1;
      expect(resyncs).toBe(1);
    } else if (effect.kind !== 'warn') {
      expect(connection).not.toBeNull();
      if (effect.kind === 'send') underWay = waiting;
      if (effect.kind === 'close') {
        connection = null;
        underWay = 0;
      }
    }
  };
  const apply = (input: Input): void => {
    const step = reduce(state, input, { now: moment(), waiting }, LIMITS);
    state = step.state;
    for (const effect of step.effects) perform(effect);
    expect(state.phase === 'open').toBe(connection !== null);
    expect(state.phase === 'connecting').toBe(attempt);
    if (waiting > 0) expect(state.phase).not.toBe('closed');
  };
  const timer = () => nextTimer(state, { now: moment(), waiting }, LIMITS);
  /** Lets time pass; the timer fires on the way. */
  const pass = (ms: number): void => {
    const until = now + ms;
    for (let next = timer(); next !== null && now + next.inMs <= until; next = timer()) {
      now += Math.max(1, next.inMs);
      apply({ kind: 'timer' });
      if (attempt) break;
    }
    now = Math.max(now, until);
  };
  const answer = (kind: 'open' | 'fail'): void => {
    if (!attempt) return;
    attempt = false;
    if (kind === 'open') connection = state.connection;
    apply(kind === 'open' ? { kind: 'opened' } : { kind: 'open failed', reason: 'away' });
  };
  const acknowledge = (): void => {
    if (underWay === 0) return;
    const waited = waiting;
    underWay -= 1;
    waiting -= 1;
    apply({ kind: 'acknowledged', waited });
  };

  return {
    play: (one: string | number): void => {
      if (typeof one === 'number') {
        pass(one);
        return;
      }
      const stale = state.connection - 1;
      if (one === 'use') apply({ kind: 'used' });
      if (one === 'change') {
        waiting += 1;
        apply({ kind: 'changed' });
      }
      if (one === 'rest') apply({ kind: 'rest' });
      if (one === 'open' || one === 'fail') answer(one);
      if (one === 'acknowledge') acknowledge();
      // Whatever comes late of an earlier connection.
      if (one === 'late') {
        apply({ kind: 'publish failed', connection: stale, reason: 'closed' });
        apply({ kind: 'checked', connection: stale, alive: false });
        apply({ kind: 'ended', connection: stale });
      }
      if (connection === null) return;
      if (one === 'refuse') apply({ kind: 'publish failed', connection, reason: 'refused' });
      else if (one === 'dead' || one === 'alive') apply({ kind: 'checked', connection, alive: one === 'alive' });
      else if (one === 'end') {
        const ended = connection;
        connection = null;
        underWay = 0;
        apply({ kind: 'ended', connection: ended });
      }
    },
    /** From here on NATS answers everything, until the publisher rests. */
    recover: (): void => {
      for (let step = 0; step < 1_000 && (waiting > 0 || state.phase !== 'closed'); step += 1) {
        if (attempt) answer('open');
        else if (underWay > 0) acknowledge();
        else pass(timer()?.inMs ?? 1);
      }
    },
    waiting: () => waiting,
    phase: () => state.phase,
  };
}
