/**
 * A process that is asked for more than it can answer, in simulated time: clients that keep their calls in order and end them at
 * a deadline, sockets, and turns of an event loop that reads all of them and takes its CPU time from a quota.
 */
import type { Peer } from '../../../src/server/overload/peer.ts';
import { Shares } from '../../../src/server/overload/shares.ts';
import { Turns } from '../../../src/server/overload/turns.ts';

/** A time in which calls come at a rate. */
export interface Phase {
  /** The rate over the capacity. */
  readonly times: number;
  readonly seconds: number;
}

/** What came of a phase. */
export interface PhaseResult {
  /** Calls that were answered in time, over the capacity. */
  readonly goodput: number;
  /** The same for the second that begins at each second. */
  readonly perSecond: readonly number[];
  readonly refused: number;
  readonly p99Ms: number;
  /** Answered calls of each client over its own calls. */
  readonly answered: readonly number[];
}

export interface Service {
  /** The part of all calls that each client makes. */
  readonly clients: readonly number[];
  /** Whether calls are refused and connections held. */
  readonly controlled: boolean;
  /** A stall of the event loop after the first second, in milliseconds. */
  readonly stallMs?: number;
}

const MAX_STREAMS = 250;
const DEADLINE_MS = 1_000;
/** A tenth of a core, as a container's limit gives it: 10 ms of each 100. */
const QUOTA_MS = 10;
const PERIOD_MS = 100;
const ANSWER_MS = 0.14;
const REFUSAL_MS = 0.1;
const CAPACITY = ((QUOTA_MS / PERIOD_MS) * 1_000) / ANSWER_MS;

interface Call {
  readonly client: Client;
  readonly at: number;
  sent: boolean;
  over: boolean;
}

interface Client {
  readonly part: number;
  readonly kept: Call[];
  readonly sent: Call[];
  readonly socket: Call[];
  limit: number;
  owed: number;
  open: number;
  asked: number;
  answered: number;
}

/** Runs the phases one after the other. */
export function simulate(service: Service, phases: readonly Phase[]): readonly PhaseResult[] {
  const simulation = new Simulation(service);
  return phases.map((phase) => simulation.run(phase));
}

class Simulation {
  readonly #controlled: boolean;
  readonly #clients: readonly Client[];
  readonly #turns = new Turns();
  readonly #shares = new Shares<Client>(MAX_STREAMS);
  readonly #peers: ReadonlyMap<Client, Peer<Client>>;
  #now = 0;
  #idleMs = 0;
  #quota = QUOTA_MS;
  #owedMs = 0;
  #rate = 0;
  #nextTick = 0;
  #later: { readonly at: number; readonly run: () => void }[] = [];
  /** Answers whose trailers go out with the next turn. */
  #answers: readonly Call[] = [];
  #ended: { readonly at: number; readonly ms: number; readonly ok: boolean }[] = [];
  #refused = 0;
  #stallMs: number;

  constructor({ clients, controlled, stallMs = 0 }: Service) {
    this.#controlled = controlled;
    this.#stallMs = stallMs;
    this.#clients = clients.map((part) => ({ ...emptyClient(), part }));
    this.#peers = new Map(this.#clients.map((client) => [client, this.#shares.add(client, 0)]));
  }

  run({ times, seconds }: Phase): PhaseResult {
    const from = this.#now;
    const end = from + seconds * 1_000;
    this.#rate = (times * CAPACITY) / 1_000;
    this.#ended = [];
    this.#refused = 0;
    for (const client of this.#clients) Object.assign(client, { asked: 0, answered: 0 });
    while (this.#now < end) this.#loop();
    const good = this.#ended.filter(({ ok }) => ok);
    const times99 = good.map(({ ms }) => ms).toSorted((a, b) => a - b);
    return {
      goodput: good.length / seconds / CAPACITY,
      perSecond: Array.from({ length: seconds }, (_, second) => {
        const begin = from + second * 1_000;
        return good.filter(({ at }) => at >= begin && at < begin + 1_000).length / CAPACITY;
      }),
      refused: this.#refused,
      p99Ms: times99[Math.floor(times99.length * 0.99)] ?? Number.NaN,
      answered: this.#clients.map(({ asked, answered }) => answered / asked),
    };
  }

  #loop(): void {
    if (this.#now >= this.#nextTick) {
      this.#nextTick = this.#now + 100;
      if (this.#controlled && this.#shares.active) this.#tell(this.#shares.tick(this.#now));
    }
    if (this.#answers.length === 0 && this.#clients.every(({ socket }) => socket.length === 0)) {
      this.#step();
      this.#idleMs += 1;
    } else this.#turn();
  }

  #turn(): void {
    const turns = this.#turns;
    turns.begin(this.#now, this.#idleMs);
    const read = this.#clients.flatMap(({ socket }) => socket.splice(0));
    const answered: Call[] = [];
    this.#spend(REFUSAL_MS);
    if (this.#now > 1_000 && this.#stallMs > 0) this.#stall();
    for (const call of read) {
      const peer = this.#peers.get(call.client);
      if (peer === undefined) throw new Error('a client without a peer');
      turns.calls += 1;
      if (turns.due) turns.look(this.#now);
      this.#shares.count(peer);
      if (this.#controlled && ((turns.late && this.#shares.refusing) || peer.draining)) {
        turns.refused();
        this.#spend(REFUSAL_MS);
        if (!call.over) this.#refused += 1;
        this.#finish(call, false);
      } else {
        this.#spend(ANSWER_MS);
        answered.push(call);
      }
    }
    for (const call of this.#answers) this.#finish(call, true);
    this.#answers = answered;
    turns.end(this.#now);
    const age = turns.age(this.#now);
    const { growing, arrivalMs, capacity } = turns;
    const state = { now: this.#now, age, late: turns.isLate(this.#now), growing, arrivalMs, capacity };
    if (this.#controlled) this.#tell(this.#shares.endTurn(state, () => turns.measured()));
  }

  #stall(): void {
    for (; this.#stallMs > 0; this.#stallMs -= 1) this.#step();
  }

  #tell(peers: readonly Peer<Client>[]): void {
    for (const peer of peers) {
      const { connection, limit } = peer;
      this.#later.push({
        at: this.#now + 1,
        run: () => {
          connection.limit = limit;
          this.#shares.acknowledged(peer, this.#now, 2);
        },
      });
    }
  }

  #finish(call: Call, ok: boolean): void {
    if (call.over) return;
    call.over = true;
    call.client.open -= 1;
    if (ok) call.client.answered += 1;
    this.#ended.push({ at: call.at, ms: this.#now - call.at, ok });
  }

  #spend(ms: number): void {
    this.#owedMs += ms;
    while (this.#owedMs > 0) {
      const part = Math.min(this.#owedMs, this.#quota, 1);
      this.#owedMs -= part;
      this.#quota -= part;
      if (this.#owedMs > 0) this.#step();
    }
  }

  /** Time goes on by a millisecond. */
  #step(): void {
    this.#now += 1;
    if (this.#now % PERIOD_MS === 0) this.#quota = QUOTA_MS;
    const due = this.#later.filter(({ at }) => at <= this.#now);
    this.#later = this.#later.filter(({ at }) => at > this.#now);
    for (const { run } of due) run();
    for (const client of this.#clients) stepClient(client, this.#now, this.#rate * client.part);
  }
}

function emptyClient(): Client {
  return { part: 0, kept: [], sent: [], socket: [], limit: MAX_STREAMS, owed: 0, open: 0, asked: 0, answered: 0 };
}

function stepClient(client: Client, now: number, calls: number): void {
  client.owed += calls;
  for (; client.owed >= 1; client.owed -= 1) {
    client.asked += 1;
    client.kept.push({ client, at: now, sent: false, over: false });
  }
  while ((client.kept[0]?.at ?? now) < now - DEADLINE_MS) client.kept.shift();
  for (let first = client.sent[0]; first !== undefined; first = client.sent[0]) {
    if (!first.over && first.at >= now - DEADLINE_MS) break;
    client.sent.shift();
    if (!first.over) client.open -= 1;
    first.over = true;
  }
  while (client.open < client.limit) {
    const call = client.kept.shift();
    if (call === undefined) break;
    client.open += 1;
    client.sent.push(call);
    client.socket.push(call);
  }
}
