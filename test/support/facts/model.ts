/**
 * The truth that answers are compared with: a database in which every change raises a version, and for each call the
 * versions that its answer must show. Pure.
 */
import type { Facts, FactsKey } from '../../../src/policy/facts.ts';

/** The subject of a change, which has a version: `u:<user>`, `o:<organization>` or `p:<user>:<organization>`. */
export type Subject = `u:${string}` | `o:${string}` | `p:${string}:${string}`;

export type Versions = ReadonlyMap<Subject, number>;

/** The subjects that the facts of a pair are made of. */
const subjectsOf = ({ userId, organizationId }: FactsKey): readonly Subject[] =>
  organizationId === null ? [`u:${userId}`] : [`u:${userId}`, `o:${organizationId}`, `p:${userId}:${organizationId}`];

/** An event of the database's changes, published some time after the commit. */
export interface ModelEvent {
  readonly id: number;
  /** The versions that the event announces: of one subject, or of all for a resync. */
  readonly versions: Versions;
  /** When the stream took it; null before. */
  readonly publishedAt: number | null;
}

export interface DatabaseModel {
  /** Changes a subject and returns its new version. */
  commit(subject: Subject): number;
  /** Bans a user until that moment and returns the new version. */
  ban(userId: string, until: number): number;
  versions(): Versions;
  /** The tables change: a statement for the old tables sees no later change of users. */
  migrate(): void;
  /** How often the tables changed. */
  tables(): number;
  /** The facts that one statement reads, made for the present or for older tables; they show their versions. */
  read(key: FactsKey, tables?: number): Facts;
  /** These versions, as far as that statement can see them. */
  seenIn(versions: Versions, tables: number): Versions;
}

interface Users {
  readonly versions: ReadonlyMap<Subject, number>;
  readonly bans: ReadonlyMap<string, number>;
}

/** @param first The version of a subject that never changed. */
export const createDatabaseModel = (first = 0): DatabaseModel => {
  const versions = new Map<Subject, number>();
  const bans = new Map<string, number>();
  /** The users that are visible in the tables from before each change of the tables. */
  const past: Users[] = [];
  const versionOf = (subject: Subject, of: ReadonlyMap<Subject, number> = versions): number => of.get(subject) ?? first;
  const raise = (subject: Subject): number => {
    versions.set(subject, versionOf(subject) + 1);
    return versionOf(subject);
  };
  return {
    commit: (subject) => {
      if (subject.startsWith('u:')) bans.delete(subject.slice(2));
      return raise(subject);
    },
    ban: (userId, until) => {
      bans.set(userId, until);
      return raise(`u:${userId}`);
    },
    versions: () => new Map(versions),
    migrate: () => void past.push({ versions: new Map(versions), bans: new Map(bans) }),
    tables: () => past.length,
    read: ({ userId, organizationId }, tables = past.length) => {
      const seen: Users = past[tables] ?? { versions, bans };
      const until = seen.bans.get(userId);
      return {
        user: { roles: [`v${versionOf(`u:${userId}`, seen.versions)}`], ban: until === undefined ? null : { until } },
        organization:
          organizationId === null
            ? null
            : {
                status: 'present',
                memberRoles: [`v${versionOf(`p:${userId}:${organizationId}`)}`],
                dynamicRoles: [{ role: `v${versionOf(`o:${organizationId}`)}`, grants: [] }],
              },
      };
    },
    seenIn: (all, tables) => {
      const seen = past[tables]?.versions;
      if (seen === undefined) return all;
      return new Map(
        [...all].map(([subject, version]) => [
          subject,
          subject.startsWith('u:') ? Math.min(version, versionOf(subject, seen)) : version,
        ]),
      );
    },
  };
};

/** The versions that facts of {@link DatabaseModel.read} show. */
export const shownBy = ({ userId, organizationId }: FactsKey, facts: Facts): Versions => {
  const version = (role: string | undefined): number => Number(role?.slice(1));
  const user = [`u:${userId}` as const, version(facts.user?.roles[0])] as const;
  if (organizationId === null) return new Map([user]);
  return new Map<Subject, number>([
    user,
    [`o:${organizationId}`, version(facts.organization?.dynamicRoles[0]?.role)],
    [`p:${userId}:${organizationId}`, version(facts.organization?.memberRoles?.[0])],
  ]);
};

/** Why an answer must show versions at least this new. */
export interface Requirement {
  readonly because: string;
  readonly versions: Versions;
}

/** The newest of all versions. */
export const newest = (events: Iterable<Versions>): Versions => {
  const result = new Map<Subject, number>();
  for (const versions of events) {
    for (const [subject, version] of versions) {
      if (version > (result.get(subject) ?? 0)) result.set(subject, version);
    }
  }
  return result;
};

/** The missing version of an answer as text; null when the answer shows all that it must. */
export const lacking = (key: FactsKey, facts: Facts, requirements: readonly Requirement[]): string | null => {
  const shown = shownBy(key, facts);
  for (const { because, versions } of requirements) {
    for (const subject of subjectsOf(key)) {
      const needed = versions.get(subject) ?? 0;
      const seen = shown.get(subject) ?? Number.NaN;
      if (!(seen >= needed)) return `stale: ${subject} is v${seen}, must be at least v${needed} (${because})`;
    }
  }
  return null;
};

/** When facts were read and are answered with. */
export interface Answered {
  /** How long ago they were read. */
  readonly ageMs: number;
  /** How long they may answer from a cache without an event. */
  readonly ttlMs: number;
  /** When they were read, by the clock of the reading process. Bans that had ended by then do not matter. */
  readonly readAt: number;
  readonly now: number;
}

/** The fault in the age of cached facts as text; null when there is none. */
export const overAge = (facts: Facts, { ageMs, ttlMs, readAt, now }: Answered): string | null => {
  if (ageMs >= ttlMs) return `too old: read ${ageMs} ms ago`;
  const until = facts.user?.ban?.until ?? null;
  if (until !== null && readAt < until && now >= until) return `past the end of a ban by ${now - until} ms`;
  return null;
};
