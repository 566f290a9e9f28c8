/**
 * Judges every answer by the recorded history. An answer must show a change when the revision that its replica named is at or past
 * the change's event, and when the call began a lease after the event's acknowledgement, whatever the revision: by then the
 * replica has applied it or answers from PostgreSQL only. Pure but for its records.
 */
import { type Answer, type Change, type Pair, type State, sameAnswer } from './history.ts';
import { includes, type Revision } from './streams.ts';

/** An answer as it was received. */
export interface Observation {
  readonly pair: Pair;
  readonly replica: number;
  /** Before the call was sent, and after its answer came. */
  readonly sentAt: number;
  readonly receivedAt: number;
  readonly revision: Revision | null;
  readonly answer: Answer;
  readonly fromCache: boolean;
}

/**
 * `stale grant`: allowed, though every state that it could show denies. `stale`: it shows a state from before a change that
 * it had to show. `wrong`: it shows a state that never existed.
 */
export type Finding = 'stale grant' | 'stale' | 'wrong';

export interface Violation {
  readonly finding: Finding;
  readonly observation: Observation;
  /** The change that the answer had to show; null when the pair never changed. */
  readonly change: Change | null;
}

export interface AuditorOptions {
  /** The replica's lease on events in milliseconds. */
  readonly leaseMs: number;
  readonly onViolation: (violation: Violation) => void;
}

export interface Auditor {
  observe(observation: Observation): void;
  /** The change's event was acknowledged: what is known from now on is held against earlier answers too. */
  acknowledge(change: Change, acknowledged: NonNullable<Change['acknowledged']>): void;
}

const mustShow = ({ acknowledged }: Change, { sentAt, revision }: Observation, leaseMs: number): boolean =>
  acknowledged !== null && (includes(revision, acknowledged.mark) || acknowledged.at + leaseMs < sentAt);

/** The first state that the answer may show: that of the last change that it must. */
const oldestAdmissible = (observation: Observation, leaseMs: number): number =>
  observation.pair.states.findLastIndex(({ change }) => change === null || mustShow(change, observation, leaseMs));

const findingOf = (states: readonly State[], oldest: number, observation: Observation): Finding | null => {
  const { answer, receivedAt } = observation;
  const possible = states.slice(oldest).filter(({ change }) => change === null || change.startedAt <= receivedAt);
  if (possible.some((state) => sameAnswer(state.answer, answer))) return null;
  if (answer.allowed && !possible.some((state) => state.answer.allowed)) return 'stale grant';
  return states.slice(0, oldest).some((state) => sameAnswer(state.answer, answer)) ? 'stale' : 'wrong';
};

/** Creates an auditor that has seen nothing. */
export const createAuditor = ({ leaseMs, onViolation }: AuditorOptions): Auditor => {
  /** Answers that do not show a change of which it is not yet known whether they had to. */
  const undecided = new Map<Change, Observation[]>();

  /** @returns Whether the answer could be right. */
  const judge = (observation: Observation): boolean => {
    const { states } = observation.pair;
    const oldest = oldestAdmissible(observation, leaseMs);
    const finding = findingOf(states, oldest, observation);
    if (finding !== null) onViolation({ finding, observation, change: states[oldest]?.change ?? null });
    return finding === null;
  };

  return {
    observe: (observation) => {
      const { pair, replica, receivedAt, answer, fromCache } = observation;
      if (fromCache && answer.allowed) pair.allowedFromCacheAt = receivedAt;
      if (!judge(observation)) return;
      const last = pair.states.at(-1);
      const change = last?.change ?? null;
      if (last === undefined || change === null) return;
      if (change.acknowledged !== null) {
        if (change.watched === pair && mustShow(change, observation, leaseMs)) change.askedOn |= 1 << replica;
      } else if (!sameAnswer(last.answer, answer)) {
        const waiting = undecided.get(change) ?? [];
        waiting.push(observation);
        undecided.set(change, waiting);
      }
    },
    acknowledge: (change, acknowledged) => {
      change.acknowledged = acknowledged;
      const waiting = undecided.get(change) ?? [];
      undecided.delete(change);
      for (const observation of waiting) judge(observation);
    },
  };
};
