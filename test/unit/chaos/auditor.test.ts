/** What the auditor holds against an answer, and what not. */
import { describe, expect, it } from 'vitest';
import { createAuditor, type Finding, type Observation } from '../../../chaos/auditor.ts';
import type { Answer, Change, Pair } from '../../../chaos/history.ts';
import type { Mark, Revision } from '../../../chaos/streams.ts';

const LEASE_MS = 2_000;
const OLD = '2026-01-01T00:00:00.123456789Z';
const NEW = '2026-01-01T00:10:00.5Z';

const allowed = (roles: string): Answer => ({ allowed: true, reason: 'ROLE_GRANTS', roles });
const denied = (roles: string): Answer => ({ allowed: false, reason: 'ROLE_LACKS_PERMISSION', roles });
const at = (created: string, seq: number, exact = true): Revision => ({ created, seq, exact });

const newPair = (answer: Answer): Pair => ({
  userId: 'u',
  organizationId: 'o',
  states: [{ answer, change: null }],
  allowedFromCacheAt: Number.NEGATIVE_INFINITY,
});

const setup = (first: Answer) => {
  const findings: Finding[] = [];
  const auditor = createAuditor({ leaseMs: LEASE_MS, onViolation: ({ finding }) => findings.push(finding) });
  const pair = newPair(first);
  return {
    findings,
    pair,
    change: (answer: Answer, startedAt: number): Change => {
      const change: Change = {
        name: 'member.role_changed',
        startedAt,
        acknowledged: null,
        revokes: true,
        watched: pair,
        revokesCached: false,
        askedOn: 0,
      };
      pair.states.push({ answer, change });
      return change;
    },
    acknowledge: (change: Change, moment: number, mark: Mark) => auditor.acknowledge(change, { at: moment, mark }),
    answer: (answer: Answer, revision: Revision | null, sentAt: number, more: Partial<Observation> = {}) =>
      auditor.observe({
        ...{ pair, replica: 0, sentAt, receivedAt: sentAt + 1, revision, answer, fromCache: true },
        ...more,
      }),
  };
};

describe('the auditor', () => {
  it('the auditor accepts either state while a change is under way, and the old one from a replica that has not applied it', () => {
    const { findings, change, acknowledge, answer } = setup(allowed('a'));
    const revoked = change(denied('b'), 100);
    answer(allowed('a'), at(OLD, 4), 101);
    answer(denied('b'), at(OLD, 4), 101);
    acknowledge(revoked, 110, { created: OLD, seq: 5 });
    answer(allowed('a'), at(OLD, 4), 111);
    answer(allowed('a'), null, 112);
    expect(findings).toEqual([]);
  });

  it('the auditor finds a grant from before a change that the revision includes', () => {
    const { findings, change, acknowledge, answer } = setup(allowed('a'));
    acknowledge(change(denied('b'), 100), 110, { created: OLD, seq: 5 });
    answer(denied('b'), at(OLD, 5), 111);
    expect(findings).toEqual([]);
    answer(allowed('a'), at(OLD, 5), 111);
    expect(findings).toEqual(['stale grant']);
  });

  it('the auditor finds a stale grant afterwards when the acknowledgement came later than the answer', () => {
    const { findings, change, acknowledge, answer } = setup(allowed('a'));
    const revoked = change(denied('b'), 100);
    answer(allowed('a'), at(OLD, 4), 101);
    answer(allowed('a'), at(OLD, 5), 102);
    expect(findings).toEqual([]);
    acknowledge(revoked, 110, { created: OLD, seq: 5 });
    expect(findings).toEqual(['stale grant']);
  });

  it('the auditor finds a stale grant at any revision once the lease has passed since the acknowledgement', () => {
    const { findings, change, acknowledge, answer } = setup(allowed('a'));
    acknowledge(change(denied('b'), 100), 110, { created: OLD, seq: 5 });
    answer(allowed('a'), null, 110 + LEASE_MS);
    expect(findings).toEqual([]);
    answer(allowed('a'), null, 111 + LEASE_MS);
    expect(findings).toEqual(['stale grant']);
  });

  it('the auditor finds an old grant although a new one exists, and an old denial', () => {
    const { findings, change, acknowledge, answer } = setup(allowed('a'));
    acknowledge(change(denied('b'), 100), 110, { created: OLD, seq: 5 });
    acknowledge(change(allowed('c'), 200), 210, { created: OLD, seq: 6 });
    answer(allowed('a'), at(OLD, 6), 211);
    answer(denied('b'), at(OLD, 6), 211);
    expect(findings).toEqual(['stale', 'stale']);
  });

  it('the auditor finds an answer that was never true, and an answer that was not true yet', () => {
    const { findings, change, answer } = setup(allowed('a'));
    answer(allowed('x'), at(OLD, 1), 1);
    change(denied('b'), 100);
    answer(denied('b'), at(OLD, 1), 50, { receivedAt: 60 });
    expect(findings).toEqual(['wrong', 'wrong']);
  });

  it('the auditor holds a later stream to all earlier changes, and compares nothing with a renumbered stream', () => {
    const { findings, change, acknowledge, answer } = setup(allowed('a'));
    acknowledge(change(denied('b'), 100), 110, { created: OLD, seq: 500 });
    answer(allowed('a'), at(OLD, 600, false), 111);
    expect(findings).toEqual([]);
    answer(allowed('a'), at(NEW, 0), 111);
    expect(findings).toEqual(['stale grant']);
  });

  it('the auditor counts the replicas that answered after they had to show the change', () => {
    const { change, acknowledge, answer, pair } = setup(allowed('a'));
    const revoked = change(denied('b'), 100);
    acknowledge(revoked, 110, { created: OLD, seq: 5 });
    answer(denied('b'), at(OLD, 4), 111, { replica: 0 });
    expect(revoked.askedOn).toBe(0);
    answer(denied('b'), at(OLD, 5), 111, { replica: 2 });
    expect(revoked.askedOn).toBe(0b100);
    expect(pair.allowedFromCacheAt).toBe(Number.NEGATIVE_INFINITY);
  });
});
