/** Guards whose loss chaos must find, with the options that let it. */
import { by, type Edit, value } from '../mutated.ts';

export interface GuardForChaos {
  /** Continues "a service that …". */
  readonly does: string;
  readonly options: string;
  readonly without: readonly Edit[];
}

const WITHOUT_FAULTS = '--no-faults --organizations';

export const guardsForChaos: readonly GuardForChaos[] = [
  {
    does: 'answers from memory without judging',
    options: WITHOUT_FAULTS,
    without: [{ guard: 'predicate-on-memory', to: by('true') }],
  },
  {
    does: 'does not mind what changes for an organization',
    options: WITHOUT_FAULTS,
    without: [{ guard: 'changes-of-an-organization', to: by('true') }],
  },
  {
    does: 'takes the pong of its server for the answer of a stream that does not answer',
    options: '--topology edge --only route',
    without: [
      {
        guard: 'proof-is-an-answer-of-the-stream',
        to: (code) => `${value((answer) => `${answer}.catch(() => connection.flush())`)(code)}
    if (now === undefined) {
      sink.heard(at);
      continue;
    }`,
      },
    ],
  },
];
