/** Guards whose loss the siege must find, each with the scenario that then breaks through. */
import { type Edit, removed, value } from '../mutated.ts';

export interface GuardForSiege {
  /** Continues "a service that …". */
  readonly does: string;
  readonly scenario: string;
  readonly without: readonly Edit[];
  /** What the run then says of the scenario. */
  readonly breaks: RegExp;
  /** Whether the short form of the run finds it on any machine, in seconds. */
  readonly isShort: boolean;
}

export const guardsForSiege: readonly GuardForSiege[] = [
  {
    does: 'parses JSON without a look at its shape',
    scenario: 'nested-json',
    without: [
      { guard: 'shape-of-json', to: value(() => '{ members: membersOf(JSON.parse(UTF8.decode(bytes))), listed: 0 }') },
    ],
    breaks: /^nested-json: (?:p99|resident memory)/m,
    isShort: true,
  },
  {
    does: 'decompresses messages at once that grow',
    scenario: 'gzip-check',
    without: [{ guard: 'growth-at-once', to: value(() => 'maxBytes') }],
    breaks: /^gzip-check: p99/m,
    isShort: false,
  },
  {
    does: 'answers any number of probes that one connection sends',
    scenario: 'metrics-unread',
    without: [
      { guard: 'pipelined-probes', to: value(() => 'false') },
      { guard: 'probes-a-second', to: value(() => 'false') },
    ],
    breaks: /^metrics-unread: (?:p99|resident|live|no connection)/m,
    isShort: true,
  },
  {
    does: 'answers reads in the order of their arrival',
    scenario: 'misses-20',
    without: [{ guard: 'newest-call-first', to: value(() => 'oldest') }],
    breaks: /^misses-20: (?:goodput|p99)/m,
    isShort: false,
  },
  {
    does: 'lets reads wait for as long as they like',
    scenario: 'misses-20',
    without: [{ guard: 'call-without-a-turn', to: removed }],
    breaks: /^misses-20: (?:goodput|p99|back)/m,
    isShort: false,
  },
  {
    does: 'gives callers no shares of PostgreSQL',
    scenario: 'fairness',
    without: [{ guard: 'turn-of-the-next-share', to: removed }],
    breaks: /^fairness: (?:p99|failed)/m,
    isShort: false,
  },
];
