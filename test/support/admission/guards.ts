/** The guards of the line, each with the edit that removes it and the load under which the line then breaks a promise. */
import { condition, type Edit, removed, value } from '../mutated.ts';

export interface GuardOfLine {
  readonly name: string;
  readonly without: readonly Edit[];
  /** The title of a scenario. */
  readonly broken: string;
}

export const guardsOfLine: readonly GuardOfLine[] = [
  {
    name: 'the newest call first',
    without: [{ guard: 'newest-call-first', to: value(() => 'oldest') }],
    broken: 'three times as many calls as PostgreSQL answers',
  },
  {
    name: 'the refusal of a call that has had no turn for too long',
    without: [{ guard: 'call-without-a-turn', to: removed }],
    broken: 'three times as many calls as PostgreSQL answers',
  },
  {
    name: 'the bound on the memory of a share',
    without: [{ guard: 'memory-of-a-share', to: condition('!read.waits') }],
    broken: 'batches without end of one caller, and a call of another one',
  },
  {
    name: 'the turn of the next share',
    without: [{ guard: 'turn-of-the-next-share', to: removed }],
    broken: 'one caller with few calls beside one with too many',
  },
  {
    name: 'the turn of a call that had one',
    without: [{ guard: 'turn-of-a-call-that-had-one', to: value(() => 'oldest !== undefined') }],
    broken: 'a batch under as many single checks as PostgreSQL answers',
  },
  {
    name: 'the difference between a stall and an overload',
    without: [{ guard: 'stall-is-no-overload', to: condition('this.#waiting === 0') }],
    broken: 'PostgreSQL answers nothing for 1.9 seconds',
  },
  {
    name: 'the turn that is none while PostgreSQL is silent',
    without: [{ guard: 'turn-while-stalled', to: condition('true') }],
    broken: 'PostgreSQL hangs',
  },
];
