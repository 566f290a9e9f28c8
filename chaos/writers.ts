/** Makes changes at a steady pace, publishes each after its commit, and watches until every replica shows it. */
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import type { Auditor } from './auditor.ts';
import { type OrganizationEvent, type PlannedChange, planChange, planOrganizationChange } from './changes.ts';
import { type Change, latest, type Pair } from './history.ts';
import type { LagWatch } from './lag.ts';
import { answerNow, type Organization, type Person } from './population.ts';
import type { Publisher } from './publisher.ts';
import type { Random } from './random.ts';

export interface WriterOptions {
  readonly people: readonly Person[];
  readonly organizations: readonly Organization[];
  readonly pool: pg.Pool;
  readonly publisher: Publisher;
  readonly auditor: Auditor;
  readonly lag: LagWatch;
  readonly random: Random;
  readonly replicas: readonly number[];
  /** The end: nothing is begun after it. */
  readonly signal: AbortSignal;
  /** Asks a replica about one pair, and has the reply taken in; null in place of an answer that was none. */
  readonly ask: (
    replica: number,
    pair: Pair,
  ) => Promise<{ readonly receivedAt: number; readonly shows: boolean } | null>;
  /** Asks a replica about many, and has the reply taken in. */
  readonly askAll: (replica: number, pairs: readonly Pair[]) => Promise<unknown>;
  readonly onChange: (change: Change) => void;
  /** How long after the publish began the last replica showed the change, in milliseconds. */
  readonly onFlip: (ms: number) => void;
}

const FRESH_MS = 1_000;
const SELDOM_MS = 200;
/** An acknowledgement that takes longer than this is not waited for. */
const PATIENCE_MS = 20;
const WATCH_MS = 10_000;
const COMMIT_MS = 30_000;
const COMMIT_RETRY_MS = 100;
/** After the end, for the changes that were made just before it. */
const LAST_LOOK_MS = 3_000;

/** Asks without a pause at first, then more and more seldom, so that a replica without events is not flooded. */
const pauseBefore = (attempt: number): number => {
  if (attempt < 20) return 0;
  return attempt < 40 ? 5 : attempt < 60 ? 25 : SELDOM_MS;
};

/** Whether a server is away, or went away before it reported the outcome; false for a server that refuses the statement. */
const isAway = (error: unknown): boolean =>
  !(error instanceof pg.DatabaseError) || /^(?:57P|08)/.test(error.code ?? '');

/**
 * Tries until it is known to be done. An answer may show a change from the first try on and has to only after its event,
 * so that nothing depends on which of the tries did it.
 */
const commitSurely = async ({ commit }: PlannedChange, pool: pg.Pool): Promise<void> => {
  const deadline = performance.now() + COMMIT_MS;
  for (;;) {
    try {
      await commit(pool);
      return;
    } catch (error) {
      if (!isAway(error) || performance.now() > deadline) throw error;
      await delay(COMMIT_RETRY_MS);
    }
  }
};

/** Changes one person, or what holds for all of an organization. Rejects when PostgreSQL refuses the change. */
const makeChange = async (planned: PlannedChange, options: WriterOptions): Promise<void> => {
  const { pool, publisher, auditor, lag, replicas, signal, ask, askAll, onChange, onFlip } = options;
  const { event, affected, watched } = planned;
  // Known to every replica, so that what is measured and audited is an answer that changes.
  // One after the other, so that the later ones find in Redis what the first has read; then all from memory.
  for (const replica of replicas) await ask(replica, watched);
  await Promise.all(replicas.map((replica) => ask(replica, watched)));
  if (affected.length > 1) await Promise.all(replicas.map((replica) => askAll(replica, affected)));

  const startedAt = performance.now();
  const before = latest(watched).answer;
  planned.apply();
  const revokes = before.allowed && !answerNow(watched).allowed;
  const change: Change = {
    name: event.name,
    startedAt,
    acknowledged: null,
    revokes,
    watched,
    revokesCached: revokes && watched.allowedFromCacheAt > startedAt - FRESH_MS,
    askedOn: 0,
  };
  for (const pair of affected) pair.states.push({ answer: answerNow(pair), change });
  await commitSurely(planned, pool);
  onChange(change);

  const publishedAt = performance.now();
  const patience = (): number => (signal.aborted ? LAST_LOOK_MS : WATCH_MS);
  const watch = async (replica: number): Promise<number | null> => {
    for (let attempt = 0; performance.now() < publishedAt + patience(); attempt += 1) {
      const seen = await ask(replica, watched);
      if (seen?.shows === true) return seen.receivedAt - publishedAt;
      await delay(seen === null ? SELDOM_MS : pauseBefore(attempt));
    }
    return null;
  };
  const published = publisher.publish(event).then((mark) => {
    const at = performance.now();
    auditor.acknowledge(change, { at, mark });
    lag.acknowledged(mark, at);
  });
  // From the acknowledgement on: asking earlier takes the time that the event needs on its way.
  await Promise.race([published, delay(PATIENCE_MS, undefined, { ref: false })]);
  const [flips] = await Promise.all([Promise.all(replicas.map(watch)), published]);
  if (flips.every((ms) => ms !== null)) onFlip(Math.max(...flips));
  // By now they have to show it, all of them.
  if (affected.length > 1) await Promise.all(replicas.map((replica) => askAll(replica, affected)));
};

/** How often it is an organization that is changed, and how often such a change is published as a change of everything. */
const ORGANIZATION_EVERY = 8;
const RESYNC_EVERY = 6;

/** The same for two in a row, a grant and its end. */
const eventOf = (serial: number): OrganizationEvent => {
  const pair = Math.floor(serial / 2);
  if (pair % RESYNC_EVERY === 1) return 'resync';
  return pair % 2 === 0 ? 'organization_role.changed' : 'organization.updated';
};

/**
 * Begins `perSecond` changes a second until the signal, each of a person without another change under way, and waits for
 * the changes that are under way.
 */
export const runWriters = async (options: WriterOptions, perSecond: number): Promise<void> => {
  const { people, organizations, random, signal } = options;
  const underWay = new Set<Promise<void>>();
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  const began = performance.now();
  let ofOrganizations = 0;
  const plan = (serial: number): PlannedChange | null => {
    if (serial / ORGANIZATION_EVERY > ofOrganizations + 1) {
      const planned = planOrganizationChange(organizations, random, eventOf(ofOrganizations));
      if (planned !== null) ofOrganizations += 1;
      if (planned !== null) return planned;
    }
    const person = random.pick(people);
    return person.busy ? null : planChange(person, random, serial);
  };
  const occupy = ({ affected }: PlannedChange, busy: boolean): void => {
    for (const { person } of affected) person.busy = busy;
  };
  for (let serial = 1; !signal.aborted; serial += 1) {
    const planned = plan(serial);
    if (planned !== null) {
      occupy(planned, true);
      const change = makeChange(planned, options);
      underWay.add(change);
      change.then(
        () => {
          occupy(planned, false);
          underWay.delete(change);
        },
        (error: unknown) => failed.reject(error),
      );
    }
    const wait = began + (serial * 1_000) / perSecond - performance.now();
    await Promise.race([delay(Math.max(0, wait), undefined, { signal }).catch(() => {}), failed.promise]);
  }
  await Promise.race([Promise.all(underWay), failed.promise]);
};
