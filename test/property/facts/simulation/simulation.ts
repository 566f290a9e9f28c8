/** Replicas of the real modules on a simulated network whose schedule decides the next step. */
import type fc from 'fast-check';
import { vi } from 'vitest';
import type { FactsReading } from '../../../../src/facts/cache.ts';
import type { FreshnessTracker } from '../../../../src/facts/freshness.ts';
import type { MemoryStore } from '../../../../src/facts/memory.ts';
import type { InvalidationSink } from '../../../../src/invalidation/sink.ts';
import type { Facts } from '../../../../src/policy/facts.ts';
import { withTimeout } from '../../../../src/with-timeout.ts';
import { CALLER } from '../../../support/caller.ts';
import {
  createDatabaseModel,
  lacking,
  type ModelEvent,
  newest,
  overAge,
  type Requirement,
  type Subject,
  shownBy,
  type Versions,
} from '../../../support/facts/model.ts';
import { createFakeNats, type Log, type Step } from './fake-nats.ts';
import { createFakeRedis } from './fake-redis.ts';
import { type Modules, setConnect } from './modules.ts';
import {
  type Action,
  type Change,
  describeAction,
  type Fault,
  NEIGHBOUR,
  REPLICAS,
  type Read,
  type Script,
  SKEW_MS,
} from './script.ts';

export const TTL_MS = 300_000;
const LEASE_MS = 2_000;
const MARGIN_MS = 60_000;
/** The time limit of a load, in milliseconds. */
const LOAD_TIMEOUT_MS = 2_500;
const START = 1_800_000_000_000;
const encoder = new TextEncoder();

/** Counts over many runs, to check that they exercised every part. */
export interface Tally {
  readonly answers: Record<'memory' | 'redis' | 'database', number>;
  stale: number;
  /** Calls in a process whose applied revision is that of an event. */
  positioned: number;
  failed: number;
  readonly faults: Map<string, number>;
}
export const createTally = (): Tally => ({
  answers: { memory: 0, redis: 0, database: 0 },
  stale: 0,
  positioned: 0,
  failed: 0,
  faults: new Map(),
});

type Name = Read['replica'];

interface Process {
  readonly name: Name;
  readonly ttlMs: number;
  alive: boolean;
  /** How far its wall clock is ahead. */
  ahead: number;
  /** The version of the tables that it knows. */
  tables: number;
  readonly freshness: FreshnessTracker;
  readonly read: (read: Read) => FactsReading | Promise<FactsReading>;
  /** The versions of the events that it has applied. */
  recorded: Versions;
  /** The log that its applied revision counts by. */
  log: Log<ModelEvent>;
  provedAt: number;
  stop(): void;
}

const describeFacts = (key: Read['key'], facts: Facts): string =>
  [...shownBy(key, facts)].map(([subject, version]) => `${subject} v${version}`).join(', ');
const payloadOf = (subject: Subject): { name: string; payload: Record<string, string> } => {
  const [kind, first = '', second = ''] = subject.split(':');
  if (kind === 'u') return { name: 'user.updated', payload: { userId: first } };
  if (kind === 'o') return { name: 'organization_role.changed', payload: { organizationId: first } };
  return { name: 'member.role_changed', payload: { userId: first, organizationId: second } };
};

/** Facts that also carry the moment of their read, and their key. */
const marked = (key: Read['key'], facts: Facts, at: number): Facts => ({
  ...facts,
  user: facts.user && { ...facts.user, roles: [...facts.user.roles, String(at), JSON.stringify(key)] },
});
const takenAt = ({ user }: Facts): number => Number(user?.roles[1]);
const isOf = (key: Read['key'], { user }: Facts): boolean => user?.roles[2] === JSON.stringify(key);
const dataSourceOf = ({ name, tables }: Process): string => (name === NEIGHBOUR ? 'elsewhere' : `tables ${tables}`);

/** Memories are reused, emptied: creating one takes longer than a whole run. */
const memoriesOf = new WeakMap<Modules, MemoryStore[]>();
const idleMemories = (modules: Modules): MemoryStore[] => {
  const idle = memoriesOf.get(modules) ?? [];
  memoriesOf.set(modules, idle);
  return idle;
};

/**
 * Runs a script under a schedule.
 * @throws at the first answer that breaks the promise, with the answer and the requirement.
 */
export const simulate = async (
  modules: Modules,
  script: Script,
  scheduler: fc.Scheduler,
  tally: Tally,
): Promise<void> => {
  vi.clearAllTimers();
  vi.setSystemTime(START);
  const now = (): number => Date.now();
  const monotonic = (): number => now() - START;
  const trace: string[] = [];
  let taken = 0;
  const step: Step = async (label) => {
    // A schedule picks evenly among all possible steps. A slow step has to be picked more than once.
    const times = script.slowness[taken % script.slowness.length] ?? 0;
    taken += 1;
    for (let left = times; left > 0; left -= 1) await scheduler.schedule(Promise.resolve(), `(slow: ${label})`);
    await scheduler.schedule(Promise.resolve(), label);
    trace.push(label);
  };

  const database = createDatabaseModel();
  /** The neighbour's database: its versions are older than all versions here. */
  const elsewhere = createDatabaseModel(-1);
  const events: { -readonly [Field in keyof ModelEvent]: ModelEvent[Field] }[] = [];
  const nats = createFakeNats<ModelEvent>(step, now, script.mode === 'core');
  const redis = createFakeRedis(step);
  setConnect(nats.connect);
  const broken: string[] = [];
  const memories = idleMemories(modules);
  const used: MemoryStore[] = [];
  /** How much longer facts may answer because clocks differ or are set during a read. */
  const allowance = script.actions.some(({ kind }) => kind === 'clock') ? SKEW_MS + LOAD_TIMEOUT_MS : 0;
  let failing = 0;
  let waiting = 0;

  const load = (process: () => Process, key: Read['key']): Promise<Facts> => {
    const { promise, resolve, reject } = Promise.withResolvers<Facts>();
    const { name: of, tables } = process();
    const name = `${of} ${key.userId}/${key.organizationId ?? '-'}`;
    const run = async (): Promise<void> => {
      await step(`${name} reads the database`);
      const facts = marked(key, of === NEIGHBOUR ? elsewhere.read(key) : database.read(key, tables), now());
      const fails = failing > 0;
      if (fails) failing -= 1;
      await step(`${name} is told by the database`);
      if (fails) reject(new Error('connection lost'));
      else resolve(facts);
    };
    void run();
    return promise;
  };

  const start = (name: Name): Process => {
    const ttlMs = name === 'B' ? script.ttlOfB : TTL_MS;
    const clock = { now: () => now() + process.ahead, monotonic };
    const freshness = modules.createFreshnessTracker({
      clock,
      leaseMs: LEASE_MS,
      rememberMs: ttlMs + MARGIN_MS,
      maxRemembered: script.remembered,
    });
    const store = redis.store(name, () => process.alive);
    const direct = modules.databaseTier(
      (key) =>
        withTimeout(
          LOAD_TIMEOUT_MS,
          load(() => process, key),
          () => new Error('the database did not answer in time'),
        ),
      clock,
    );
    const view = () => ({ role: '', permissions: [] });
    const cached = modules.redisTier({
      store,
      freshness,
      clock,
      ttlMs,
      // The MAC is tested in test/unit/facts/entry.test.ts; this much tells keys apart.
      mac: { sign: encodeURIComponent, verify: (text, code) => code === encodeURIComponent(text) },
      onRefused: () => {},
      view,
      next: direct,
    });
    const memory = memories.pop() ?? modules.createMemoryStore(100);
    used.push(memory);
    const cache = modules.createFactsCache({
      ...{ memory, freshness, clock, ttlMs, leaseMs: LEASE_MS, cached, database: direct },
    });
    const watching: Partial<InvalidationSink> = {
      begin: () => {
        process.log = nats.logOf(name);
        process.provedAt = Number.NEGATIVE_INFINITY;
      },
      apply: (_seq, change) => {
        const event = nats.delivering();
        if (event === null) return;
        // An event of a stream that was rolled back may be in both histories. The process counts by the one it listens to.
        process.log = nats.logOf(name);
        // A change of everything may be put off, and the applied revision with it.
        if (change !== null && change.kind !== 'everything') {
          process.recorded = newest([process.recorded, event.versions]);
        }
      },
      renewLease: (at) => {
        process.provedAt = Math.max(process.provedAt, at);
      },
    };
    const process: Process = {
      name,
      ttlMs,
      alive: true,
      ahead: 0,
      tables: database.tables(),
      freshness,
      read: ({ key, full }) => cache.read(key, full, CALLER),
      recorded: new Map(),
      log: new Map(),
      provedAt: Number.NEGATIVE_INFINITY,
      stop: () => {
        process.alive = false;
        void listener.stop();
      },
    };
    const listener = modules.createListener({
      url: `nats://${name}:4222`,
      stream: 'EVENTS',
      prefix: 'events',
      mode: script.mode,
      domain: null,
      windowMs: ttlMs + MARGIN_MS,
      renewalIntervalMs: LEASE_MS / 4,
      sink: modules.inOrder(freshness, modules.deleteChangedKeys(store), watching),
      observer: { event: () => {}, lag: () => {}, state: () => {} },
      clock,
    });
    freshness.setDataSource(dataSourceOf(process));
    return process;
  };
  /** Like the directory of the service: the tables that it finds replace the known ones at once. */
  const lookAtTables = async (process: Process): Promise<void> => {
    await step(`${process.name} asks for its tables`);
    const tables = database.tables();
    await step(`${process.name} is told its tables`);
    if (tables <= process.tables) return;
    process.tables = tables;
    process.freshness.setDataSource(dataSourceOf(process));
  };

  const processes = new Map<Name, Process>();
  for (const name of REPLICAS) processes.set(name, start(name));
  if (script.actions.some((action) => action.kind === 'read' && action.replica === NEIGHBOUR)) {
    processes.set(NEIGHBOUR, start(NEIGHBOUR));
  }

  const isLive = ({ provedAt }: Process): boolean => monotonic() - provedAt < LEASE_MS;
  const requirements = (process: Process, full: boolean): Requirement[] => {
    const { seq } = process.freshness.applied();
    const positioned = [...process.log].filter(([at]) => at <= seq);
    if (positioned.length > 0) tally.positioned += 1;
    // The lease of a live process is younger than this; a stale process joins no older load.
    const since = now() - LEASE_MS;
    const published = events.filter(({ publishedAt }) => publishedAt !== null && publishedAt <= since);
    const all: Requirement[] = [
      { because: 'applied by this process', versions: process.recorded },
      {
        because: `at or before its applied revision ${seq}`,
        versions: newest(positioned.map(([, { versions }]) => versions)),
      },
      { because: `published by ${since - START}`, versions: newest(published.map(({ versions }) => versions)) },
    ];
    if (full) all.push({ because: 'read for this call', versions: database.versions() });
    return all.map(({ because, versions }) => ({ because, versions: database.seenIn(versions, process.tables) }));
  };

  const read = async (wanted: Read): Promise<void> => {
    const { key, full } = wanted;
    const process = processes.get(wanted.replica);
    if (process === undefined) return;
    const stale = !isLive(process);
    const needed = requirements(process, full);
    const begun = now();
    waiting += 1;
    try {
      const answer = process.read(wanted);
      const reading = answer instanceof Promise ? await answer : answer;
      if (!process.alive || process.name === NEIGHBOUR) return;
      tally.answers[reading.tier] += 1;
      if (stale) tally.stale += 1;
      const { facts, tier, readAt } = reading;
      trace.push(
        `${process.name} answers ${key.userId}/${key.organizationId ?? '-'} from ${tier}: ${describeFacts(key, facts)}`,
      );
      const wrong = [
        lacking(key, facts, needed),
        isOf(key, facts) ? null : 'cached: answered with the facts of another key',
        (stale || full) && tier !== 'database'
          ? `cached: answered from ${tier} while ${full ? 'full' : 'stale'}`
          : null,
        tier === 'database'
          ? null
          : overAge(facts, {
              ageMs: now() - takenAt(facts),
              ttlMs: process.ttlMs + allowance,
              readAt,
              now: now(),
            }),
        tier === 'redis' && !isLive(process) ? 'cached: answered from redis after falling stale' : null,
      ].filter((one) => one !== null);
      for (const one of wrong) {
        trace.push(one);
        broken.push(`${one}; ${process.name} from ${tier}, asked at ${begun - START}, ${stale ? 'stale' : 'live'}`);
      }
    } catch (error) {
      if (error instanceof Error && /did not answer in time|connection lost/.test(error.message)) tally.failed += 1;
      else throw error;
    } finally {
      waiting -= 1;
    }
  };

  const publish = async (name: string, payload: unknown, versions: Versions): Promise<void> => {
    const event: (typeof events)[number] = { id: events.length + 1, versions, publishedAt: null };
    events.push(event);
    const data = encoder.encode(JSON.stringify(payload));
    for (;;) {
      await step(`publish #${event.id}: ${[...versions].map(([subject, version]) => `${subject} v${version}`).join()}`);
      const seq = nats.publish(`events.${name}`, data, event);
      // On core NATS there is no acknowledgement, and only connected processes receive it.
      if (seq === 0) return;
      if (seq !== null) break;
      // A publisher tries until it has its acknowledgement.
      await nats.streamExists();
    }
    event.publishedAt = now();
  };
  const commit = (change: Change): void => {
    switch (change.kind) {
      case 'migrate':
        database.migrate();
        return;
      case 'look': {
        const process = processes.get(change.replica);
        if (process !== undefined) void lookAtTables(process);
        return;
      }
      case 'silent change':
        database.commit(change.subject);
        return;
      case 'resync':
        void publish('resync', {}, database.versions());
        return;
      case 'ban': {
        const version = database.ban(change.userId, now() + change.ms);
        const subject: Subject = `u:${change.userId}`;
        const { name, payload } = payloadOf(subject);
        void publish(name, payload, new Map([[subject, version]]));
        return;
      }
      case 'change': {
        const versions: Versions = new Map<Subject, number>([[change.subject, database.commit(change.subject)]]);
        const { name, payload } = payloadOf(change.subject);
        if (change.unreadable) void publish(name, {}, versions);
        else void publish(name, payload, versions);
      }
    }
  };

  /** Whether the fault had a target. */
  const inject = (fault: Fault): boolean => {
    switch (fault.kind) {
      case 'restart':
        processes.get(fault.replica)?.stop();
        nats.cut(fault.replica);
        processes.set(fault.replica, start(fault.replica));
        return true;
      case 'cut':
        return nats.cut(fault.replica);
      case 'stall':
        return nats.stall(fault.replica);
      case 'lose message':
        return nats.loseMessage(fault.replica);
      case 'lose consumer':
        return nats.loseConsumer(fault.replica);
      case 'purge':
        nats.purge();
        return true;
      case 'expire':
        nats.expire();
        return true;
      case 'remove':
        nats.remove(fault.count);
        return true;
      case 'delete stream':
        nats.deleteStream();
        return true;
      case 'roll back stream':
      case 'restore stream':
        for (const lost of nats.rollBack(fault.count, fault.kind === 'restore stream')) {
          const event = events.find(({ id }) => id === lost.id);
          if (event !== undefined) event.publishedAt = null;
        }
        redis.lose();
        return true;
      case 'flush redis':
        redis.flush();
        return true;
      case 'restore redis':
        redis.restore(fault.count);
        return true;
      case 'evict':
        redis.evict(fault.count);
        return true;
      case 'fail loads':
        failing += fault.count;
        return true;
      case 'isolate':
        nats.isolate(fault.replica, fault.isolated);
        return true;
      case 'mix redis':
        redis.mix();
        return true;
      case 'clock': {
        const process = processes.get(fault.replica);
        if (process !== undefined) process.ahead = fault.ahead;
        return true;
      }
      case 'redis away':
        redis.setAway(fault.away);
        return true;
    }
  };

  const act = (action: Action): void => {
    trace.push(describeAction(action));
    switch (action.kind) {
      case 'read':
        void read(action);
        return;
      case 'rest':
        return;
      case 'time':
        vi.advanceTimersByTime(action.ms);
        return;
      case 'change':
      case 'ban':
      case 'silent change':
      case 'resync':
      case 'migrate':
      case 'look':
        commit(action);
        return;
      default:
        if (inject(action)) tally.faults.set(action.kind, (tally.faults.get(action.kind) ?? 0) + 1);
    }
  };

  // Every process is live before the first fault, so that there is something to lose.
  await scheduler.waitIdle();
  for (let count = 0; count < script.history; count += 1) void publish('user.updated', { userId: 'x' }, new Map());
  await scheduler.waitIdle();
  scheduler.scheduleSequence(
    script.actions.flatMap((action) => {
      // The schedule picks evenly among all possible steps: a resting process is picked as often as it has steps.
      const picks = action.kind === 'rest' ? action.steps : 1;
      return Array.from({ length: picks }, () => ({ label: describeAction(action), builder: async () => act(action) }));
    }),
  );
  await scheduler.waitIdle();
  // Each hanging step has its own time limit.
  vi.advanceTimersByTime(LOAD_TIMEOUT_MS);
  await scheduler.waitIdle();
  if (waiting > 0) {
    vi.advanceTimersByTime(LOAD_TIMEOUT_MS);
    await scheduler.waitIdle();
  }
  if (waiting > 0) broken.push(`${waiting} calls were never answered`);
  for (const process of processes.values()) process.stop();
  await scheduler.waitIdle();
  vi.clearAllTimers();
  for (const memory of used) memory.clear();
  memories.push(...used);
  if (broken.length > 0) throw new Error(`${broken[0]}\n${trace.join('\n')}`);
};
