/** Guards whose loss the siege must find, each with the scenario that then breaks through. */
import { condition, type Edit, removed, value } from '../mutated.ts';

export interface GuardForSiege {
  /** Continues "a service that …". */
  readonly does: string;
  readonly scenario: string;
  readonly without: readonly Edit[];
  /** What the run then says of the scenario. */
  readonly breaks: RegExp;
  /**
   * `short`: the short form of the run finds it on any machine. `long`: the figures depend on the speed of the machine.
   * `always`: as `short`, and part of every `npm test`.
   */
  readonly form: 'always' | 'short' | 'long';
}

const requests: Edit = { guard: 'requests-of-a-stranger', to: condition('true') };
const openRequests: Edit = { guard: 'open-requests-of-a-stranger', to: value(() => 'true') };
const refusals: Edit = { guard: 'refusals-of-a-stranger', to: value(() => 'null') };
const bytes: Edit = { guard: 'bytes-of-a-stranger', to: value(() => 'null') };
/** nghttp2 ends a connection that opens more streams than it may. */
const streams: Edit = { guard: 'streams-of-a-stranger', to: value(() => 'MAX_STREAMS_PER_CONNECTION') };
const time: Edit = { guard: 'time-of-a-stranger', to: removed };

export const guardsForSiege: readonly GuardForSiege[] = [
  {
    does: 'parses JSON without a look at its shape',
    scenario: 'nested-json',
    without: [
      { guard: 'shape-of-json', to: value(() => '{ members: membersOf(JSON.parse(UTF8.decode(bytes))), listed: 0 }') },
    ],
    breaks: /^nested-json: (?:p99|resident memory)/m,
    form: 'short',
  },
  {
    does: 'refuses any number of calls of a stranger',
    scenario: 'refused-no-token',
    without: [requests, openRequests, refusals],
    breaks: /^refused-no-token: no connection of the attacker was ended/m,
    form: 'short',
  },
  {
    does: 'keeps any number of open requests of a stranger for any time',
    scenario: 'endless-health',
    without: [requests, openRequests, streams, bytes, time],
    breaks: /^endless-health: no connection of the attacker was ended/m,
    form: 'always',
  },
  {
    does: 'reads any number of bytes of a stranger',
    scenario: 'window-updates',
    without: [bytes],
    breaks: /^window-updates: no connection of the attacker was ended/m,
    form: 'always',
  },
  {
    does: 'keeps any number of strangers',
    scenario: 'idle-everywhere',
    without: [{ guard: 'number-of-strangers', to: value(() => 'null') }],
    breaks: /^idle-everywhere: \d+ connections of the attacker stay/m,
    form: 'short',
  },
  {
    does: 'keeps the headers of requests that wait',
    scenario: 'wide-health',
    without: [{ guard: 'headers-are-dropped', to: removed }],
    breaks: /^wide-health: (?:live heap|resident memory)/m,
    form: 'short',
  },
  {
    does: 'decompresses messages at once that grow',
    scenario: 'gzip-check',
    without: [{ guard: 'growth-at-once', to: value(() => 'maxBytes') }],
    breaks: /^gzip-check: p99/m,
    form: 'long',
  },
  {
    does: 'parses all that a connection sends which takes no more',
    scenario: 'metrics-unread',
    without: [
      { guard: 'pipelined-probes', to: value(() => 'false') },
      { guard: 'probes-a-second', to: value(() => 'false') },
      { guard: 'rest-of-a-piece', to: value(() => 'answer') },
    ],
    breaks: /^metrics-unread: (?:p99|resident|live|no connection)/m,
    form: 'always',
  },
  {
    does: 'gives one connection the whole of a turn',
    scenario: 'unread-answers',
    without: [{ guard: 'share-of-a-connection', to: removed }],
    breaks: /^unread-answers: (?:\d+ honest|p99)/m,
    form: 'long',
  },
  {
    does: 'answers reads in the order of their arrival',
    scenario: 'misses-20',
    without: [{ guard: 'newest-call-first', to: value(() => 'oldest') }],
    breaks: /^misses-20: (?:goodput|p99)/m,
    form: 'long',
  },
  {
    does: 'lets reads wait for as long as they like',
    scenario: 'misses-20',
    without: [{ guard: 'call-without-a-turn', to: removed }],
    breaks: /^misses-20: (?:goodput|p99|back)/m,
    form: 'long',
  },
  {
    does: 'gives callers no shares of PostgreSQL',
    scenario: 'fairness',
    without: [{ guard: 'turn-of-the-next-share', to: removed }],
    breaks: /^fairness: (?:p99|failed)/m,
    form: 'long',
  },
];
