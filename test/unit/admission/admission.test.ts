/** Reads that wait, begin, are refused or are left, with the timers of the test. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Admission, createAdmission } from '../../../src/admission/admission.ts';
import { demandOf, ownDemand, SharedDemand } from '../../../src/admission/demand.ts';
import { CallEnded } from '../../../src/errors.ts';
import { createCaller } from '../../support/caller.ts';
import { eventLoopTurn } from '../../support/event-loop.ts';

/** Reads that begin when their turn comes, and end when the test says so. */
const createReads = (admission: Admission) => {
  const began: string[] = [];
  const ends = new Map<string, PromiseWithResolvers<string>>();
  const end = async (name: string): Promise<void> => {
    ends.get(name)?.resolve(name);
    await Promise.resolve();
    await Promise.resolve();
  };
  const run = (name: string, demand = ownDemand()): Promise<string> =>
    admission.run(demand, () => {
      const ending = Promise.withResolvers<string>();
      began.push(name);
      ends.set(name, ending);
      const ended = ending.promise.then(
        () => 'answered' as const,
        () => 'failed' as const,
      );
      return { result: ending.promise, ended };
    });
  return { began, run, end, fail: (name: string) => ends.get(name)?.reject(new Error(name)) };
};

describe('reads that wait', () => {
  let admission: Admission;
  let reads: ReturnType<typeof createReads>;
  let now: number;
  const outcome = (read: Promise<string>): Promise<string> => read.catch((error: unknown) => String(error));
  const pass = async (ms: number): Promise<void> => {
    now += ms;
    vi.advanceTimersByTime(ms);
    await eventLoopTurn();
  };

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    now = 1_000;
    admission = createAdmission({
      ...{ connections: 1, stallWaitMs: 500, overloadWaitMs: 200, clock: { now: () => now, monotonic: () => now } },
      refuse: (reason) => new Error(reason),
    });
    reads = createReads(admission);
  });
  afterEach(() => {
    expect(admission.waiting()).toBe(0);
    vi.advanceTimersByTime(25);
    vi.useRealTimers();
  });

  it('a read begins once the connection of the read before it is free, whether that succeeded or failed', async () => {
    const [first, second, third] = [reads.run('first'), reads.run('second'), reads.run('third')];
    expect(reads.began).toEqual(['first']);
    expect(admission.waiting()).toBe(2);
    await reads.end('first');
    expect(await first).toBe('first');
    expect(reads.began).toEqual(['first', 'second']);
    reads.fail('second');
    await expect(second).rejects.toThrow('second');
    await reads.end('third');
    expect(await third).toBe('third');
    await eventLoopTurn();
    await pass(25);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('a read that waits for too long is refused, and never begins', async () => {
    const first = reads.run('first');
    const refused = outcome(reads.run('refused'));
    await pass(500);
    expect(admission.waiting()).toBe(1);
    await pass(25);
    expect(await refused).toBe('Error: stalled');
    await reads.end('first');
    await first;
    expect(reads.began).toEqual(['first']);
  });

  it('a read whose caller leaves is out of the line at once', async () => {
    const first = reads.run('first');
    const caller = createCaller();
    const left = reads.run('left', demandOf(caller));
    expect(admission.waiting()).toBe(1);
    caller.end();
    expect(admission.waiting()).toBe(0);
    await expect(left).rejects.toThrow(CallEnded);
    await reads.end('first');
    await first;
    expect(reads.began).toEqual(['first']);
  });

  it('a read of a caller that has left before does not enter the line', async () => {
    const caller = createCaller();
    caller.end();
    await expect(reads.run('left', demandOf(caller))).rejects.toThrow(CallEnded);
    expect(reads.began).toEqual([]);
  });

  it('a read that is refused for one call has its turn by another call that has joined it later', async () => {
    const first = reads.run('first');
    const [early, late] = [createCaller(), createCaller()];
    const shared = new SharedDemand();
    shared.join(early);
    const read = reads.run('shared', shared);
    await pass(400);
    shared.join(late);
    await pass(150);
    expect(admission.waiting()).toBe(1);
    await reads.end('first');
    await first;
    await reads.end('shared');
    expect(await read).toBe('shared');
  });

  it('a read has the turn of the most urgent call that has joined it, and keeps it when the other call leaves', async () => {
    const first = reads.run('first');
    const [batch, single] = [createCaller({ name: 'a' }), createCaller({ name: 'b' })];
    const before = reads.run('before', demandOf(batch));
    const shared = new SharedDemand();
    shared.join(batch);
    const read = reads.run('shared', shared);
    shared.join(single);
    shared.leave(batch, new CallEnded());
    await reads.end('first');
    await reads.end('before');
    expect(reads.began).toEqual(['first', 'before', 'shared']);
    await reads.end('shared');
    expect(await Promise.all([first, before, read])).toEqual(['first', 'before', 'shared']);
  });

  it('a read that a single check joins does not wait for the batch that asked for it first', async () => {
    const first = reads.run('first');
    const [batch, single] = [createCaller({ name: 'a' }), createCaller({ name: 'a' })];
    const ofBatch = ['one', 'two', 'three'].map((name) => reads.run(name, demandOf(batch)));
    const shared = new SharedDemand();
    shared.join(batch);
    const read = reads.run('shared', shared);
    shared.join(single);
    for (const name of ['first', 'one', 'two']) await reads.end(name);
    expect(reads.began).toEqual(['first', 'one', 'two', 'shared']);
    for (const name of ['shared', 'three']) await reads.end(name);
    expect(await Promise.all([first, read, ...ofBatch])).toHaveLength(5);
  });

  it('a read is over for its line when every call that shared it has left', async () => {
    const first = reads.run('first');
    const shared = new SharedDemand();
    const callers = [createCaller(), createCaller()];
    for (const caller of callers) shared.join(caller);
    const read = reads.run('shared', shared);
    for (const caller of callers) shared.leave(caller, new CallEnded());
    await expect(read).rejects.toThrow(CallEnded);
    expect(admission.waiting()).toBe(0);
    await reads.end('first');
    await first;
  });
});
