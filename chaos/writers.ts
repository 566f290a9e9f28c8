/** Makes changes at a steady pace, publishes each after its commit, and watches until every replica shows it. */
import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import type { Auditor } from './auditor.ts';
import { type PlannedChange, planChange } from './changes.ts';
import type { HearingWatch } from './hearing.ts';
import { type Change, latest, type Pair } from './history.ts';
import { answerOf, type Person } from './population.ts';
import type { Publisher } from './publisher.ts';
import type { Random } from './random.ts';

export interface WriterOptions {
  readonly people: readonly Person[];
  readonly pool: pg.Pool;
  readonly publisher: Publisher;
  readonly auditor: Auditor;
  readonly hearing: HearingWatch;
  readonly random: Random;
  readonly replicas: readonly number[];
  /** The end: nothing is begun after it. */
  readonly signal: AbortSignal;
  /** Asks a replica about one pair, and has the reply taken in; null in place of an answer that was none. */
  readonly ask: (
    replica: number,
    pair: Pair,
  ) => Promise<{ readonly receivedAt: number; readonly shows: boolean } | null>;
  readonly onChange: (change: Change) => void;
  /** How long after the publish began the last replica showed the change, in milliseconds. */
  readonly onFlip: (ms: number) => void;
}

const FRESH_MS = 1_000;
const SELDOM_MS = 200;
const WATCH_MS = 10_000;
/** After the end, for the changes that were made just before it. */
const LAST_LOOK_MS = 3_000;

/** Asks without a pause at first, then more and more seldom, so that a replica that cannot hear is not flooded. */
const pauseBefore = (attempt: number): number => {
  if (attempt < 20) return 0;
  return attempt < 40 ? 5 : attempt < 60 ? 25 : SELDOM_MS;
};

/** Changes one person. Rejects when PostgreSQL refuses the change. */
const makeChange = async (planned: PlannedChange, options: WriterOptions): Promise<void> => {
  const { pool, publisher, auditor, hearing, replicas, signal, ask, onChange, onFlip } = options;
  const { person, membership, banned, role, event } = planned;
  // Known to every replica, so that what is measured and audited is an answer that changes.
  // One after the other, so that the later ones find in Redis what the first has read; then all from memory.
  for (const replica of replicas) await ask(replica, membership);
  await Promise.all(replicas.map((replica) => ask(replica, membership)));

  const startedAt = performance.now();
  const answer = answerOf(banned, role);
  const revokes = latest(membership).answer.allowed && !answer.allowed;
  const change: Change = {
    name: event.name,
    startedAt,
    acknowledged: null,
    revokes,
    watched: membership,
    revokesCached: revokes && membership.allowedFromCacheAt > startedAt - FRESH_MS,
    askedOn: 0,
  };
  const affected = event.organizationId === undefined ? person.memberships : [membership];
  for (const pair of affected) {
    const pairsRole = pair === membership ? role : pair.role;
    pair.states.push({ answer: answerOf(banned, pairsRole), change });
  }
  await planned.commit(pool);
  person.banned = banned;
  membership.role = role;
  onChange(change);

  const publishedAt = performance.now();
  const patience = (): number => (signal.aborted ? LAST_LOOK_MS : WATCH_MS);
  const watch = async (replica: number): Promise<number | null> => {
    for (let attempt = 0; performance.now() < publishedAt + patience(); attempt += 1) {
      const seen = await ask(replica, membership);
      if (seen?.shows === true) return seen.receivedAt - publishedAt;
      await delay(seen === null ? SELDOM_MS : pauseBefore(attempt));
    }
    return null;
  };
  const told = publisher.publish(event).then((mark) => {
    const at = performance.now();
    auditor.acknowledge(change, { at, mark });
    hearing.acknowledged(mark, at);
  });
  const [flips] = await Promise.all([Promise.all(replicas.map(watch)), told]);
  if (flips.every((ms) => ms !== null)) onFlip(Math.max(...flips));
};

/**
 * Begins `perSecond` changes a second until the signal, each of somebody who is not being changed already, and waits for
 * those that are under way.
 */
export const runWriters = async (options: WriterOptions, perSecond: number): Promise<void> => {
  const { people, random, signal } = options;
  const underWay = new Set<Promise<void>>();
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  const began = performance.now();
  for (let serial = 1; !signal.aborted; serial += 1) {
    const person = random.pick(people);
    if (!person.busy) {
      person.busy = true;
      const change = makeChange(planChange(person, random, serial), options);
      underWay.add(change);
      change.then(
        () => {
          person.busy = false;
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
