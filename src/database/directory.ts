/**
 * The door of this folder: Better Auth's tables as functions. Finds out where they are at the first use and keeps it; the
 * answer of a server that is away is DATABASE_UNAVAILABLE until it is back.
 */
import { type Clock, systemClock } from '../clock.ts';
import type { Facts, FactsKey } from '../policy/facts.ts';
import { createFactsReader, type FactsReader } from './facts-query.ts';
import { type JwksRecord, readJwks } from './jwks-table.ts';
import type { Schema } from './models.ts';
import { type Naming, SchemaError } from './naming.ts';
import { type MembershipRecord, type OrganizationRecord, readMemberships, readOrganization } from './organizations.ts';
import { originOf, readIdentity } from './origin.ts';
import { createDatabase, type PoolOptions } from './pool.ts';
import { detectSchema } from './schema.ts';
import { readUserByEmail, readUserById, type UserRecord } from './users.ts';
import type { OnUnreadable } from './values.ts';
import { findWritableTable, type WritableTable } from './writable.ts';

export interface DirectoryOptions extends PoolOptions {
  /** The database schemas to look in, in order; null for the search path of the role. */
  readonly searchPath: readonly string[] | null;
  readonly naming: Naming;
  readonly clock?: Clock;
  /**
   * Called when the tables are found, and when they are other ones than before: no read of these has begun. `origin` names
   * them and their database; `alike` are other database schemas that have tables of a Better Auth, too.
   */
  readonly onSchema?: (schema: Schema, origin: string, alike: readonly string[]) => void;
  /** Called with the tables: the role could write to one of them. */
  readonly onWritable?: (found: WritableTable) => void;
  /** Called when a later look at the tables failed; those found before stay. The text is for the log only. */
  readonly onSchemaFault?: (error: unknown) => void;
  /** Called with how many dynamic roles of an organization could not be read. */
  readonly onBadRole: (organizationId: string, count: number) => void;
  /** Called with the field of each value that could not be read: it counts as absent, and of a ban's end as none. */
  readonly onUnreadable?: OnUnreadable;
}

/**
 * Reads of Better Auth's tables, always from PostgreSQL. Every method can fail with DATABASE_UNAVAILABLE or OVERLOADED, and
 * rejects with the reason of its signal, where it has one, when that is aborted: its statement does not begin, or is
 * cancelled on the server.
 */
export interface Directory {
  /**
   * Finds the tables.
   * @throws {SchemaError} naming everything that is missing.
   */
  schema(): Promise<Schema>;
  facts(key: FactsKey, signal?: AbortSignal): Promise<Facts>;
  userById(id: string, signal?: AbortSignal): Promise<UserRecord | null>;
  /** As Better Auth finds it: by the address in lower case, and by the equality of the column. */
  userByEmail(email: string, signal?: AbortSignal): Promise<UserRecord | null>;
  organizationById(id: string, signal?: AbortSignal): Promise<OrganizationRecord | null>;
  organizationBySlug(slug: string, signal?: AbortSignal): Promise<OrganizationRecord | null>;
  memberships(
    page: { readonly userId: string; readonly after: string | null; readonly limit: number },
    signal?: AbortSignal,
  ): Promise<readonly MembershipRecord[]>;
  jwks(signal?: AbortSignal): Promise<readonly JwksRecord[]>;
  end(): Promise<void>;
}

/** The tables that were found, and what is made for them once. */
interface Tables {
  readonly schema: Schema;
  readonly searchPath: readonly string[];
  readonly origin: string;
  readonly readFacts: FactsReader;
}

/** How often to look again while there are reads: a plugin can come with columns that say who is banned. */
const LOOK_AGAIN_MS = 60_000;

/**
 * Who was banned must not be let in because a column was renamed, nor have the default role who had a lesser one: reads fail
 * until it is back, or the service is started without it.
 */
const checkUsers = (before: Schema, { user }: Schema): void => {
  for (const [field, says] of [
    ['banned', 'who is banned'],
    ['role', 'which platform roles users have'],
  ] as const) {
    const column = before.user.columns[field];
    if (column === undefined || user.columns[field] !== undefined) continue;
    throw new SchemaError(`The column "${column.name}" of "${before.user.table}" is gone, and nothing says ${says}.`);
  }
};

/** Creates the directory; no connection is made before the first read. */
export const createDirectory = (options: DirectoryOptions): Directory => {
  const {
    clock = systemClock,
    onSchema = () => {},
    onSchemaFault = () => {},
    onUnreadable = () => {},
    onWritable = () => {},
  } = options;
  const db = createDatabase(options);
  let known: Tables | null = null;
  let detecting: Promise<Tables> | null = null;
  let lookedAt = clock.monotonic();

  const find = async (): Promise<Tables> => {
    // Where they were found first: a pooler may begin sessions with the startup options of another client.
    const { schema, searchPath, alike } = await detectSchema(
      db,
      options.searchPath ?? known?.searchPath ?? null,
      options.naming,
    );
    const origin = originOf(await readIdentity(db), schema);
    if (known?.origin === origin) return known;
    if (known !== null) checkUsers(known.schema, schema);
    const writable = await findWritableTable(db, schema);
    if (writable !== null) onWritable(writable);
    onSchema(schema, origin, options.searchPath === null ? alike : []);
    known = { schema, searchPath, origin, readFacts: createFactsReader(db, schema, options.onBadRole, onUnreadable) };
    return known;
  };
  const detect = (): Promise<Tables> => {
    lookedAt = clock.monotonic();
    detecting ??= find().finally(() => {
      detecting = null;
    });
    return detecting;
  };
  const tables = async (): Promise<Tables> => {
    if (known === null) return detect();
    if (clock.monotonic() - lookedAt >= LOOK_AGAIN_MS) detect().catch(onSchemaFault);
    return known;
  };
  const current = async (): Promise<Schema> => (await tables()).schema;

  return {
    schema: async () => (await detect()).schema,
    facts: async (key, signal) => (await tables()).readFacts(key, signal),
    userById: async (id, signal) => readUserById(db, await current(), id, onUnreadable, signal),
    userByEmail: async (email, signal) => readUserByEmail(db, await current(), email, onUnreadable, signal),
    organizationById: async (id, signal) => readOrganization(db, await current(), 'id', id, onUnreadable, signal),
    organizationBySlug: async (slug, signal) =>
      readOrganization(db, await current(), 'slug', slug, onUnreadable, signal),
    memberships: async (page, signal) => readMemberships(db, await current(), page, onUnreadable, signal),
    jwks: async (signal) => readJwks(db, await current(), onUnreadable, signal),
    end: db.end,
  };
};
