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
    does: 'answers from memory without checking for freshness',
    options: WITHOUT_FAULTS,
    without: [{ guard: 'predicate-on-memory', to: by('true') }],
  },
  {
    does: 'ignores the changes of an organization',
    options: WITHOUT_FAULTS,
    without: [{ guard: 'changes-of-an-organization', to: by('true') }],
  },
  {
    does: 'takes the pong of its server for the answer of a silent stream',
    options: '--topology edge --only route',
    without: [
      {
        guard: 'lease-needs-an-answer-of-the-stream',
        to: (code) => `${value((request) => `${request}.catch(() => connection.flush())`)(code)}
    if (answer === undefined) {
      sink.renewLease(at);
      continue;
    }`,
      },
    ],
  },
];
