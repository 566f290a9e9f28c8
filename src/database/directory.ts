/**
 * The interface of this folder: reads of Better Auth's tables as functions. The tables are detected at the first use and
 * looked at again once a minute.
 */
import type { Demand } from '../admission/demand.ts';
import { type Clock, systemClock } from '../clock.ts';
import type { Facts, FactsKey } from '../policy/facts.ts';
import { createFactsReader, type FactsReader } from './facts-query.ts';
import { type JwksRecord, readJwks } from './jwks-table.ts';
import { type Schema, SchemaError } from './models.ts';
import type { Naming } from './naming.ts';
import {
  type MembershipPage,
  type MembershipRecord,
  type OrganizationRecord,
  readMemberships,
  readOrganization,
} from './organizations.ts';
import { createDatabase, type PoolOptions } from './pool.ts';
import { detectSchema, readDataSourceId } from './schema-detection.ts';
import { findWritableTable, type WritableTable } from './table-access.ts';
import { readUserByEmail, readUserById, type UserRecord } from './users.ts';
import type { OnUnreadable } from './values.ts';

export interface DirectoryOptions extends PoolOptions {
  /** The database schemas to look in, in order; null for the search path of the role. */
  readonly searchPath: readonly string[] | null;
  readonly naming: Naming;
  readonly clock?: Clock;
  /**
   * Called when the tables are found, and when they differ from the ones before; no read of the new tables has begun.
   * `dataSourceId` identifies them and their database. `alike` are other database schemas with a Better Auth's tables.
   */
  readonly onSchema?: (schema: Schema, dataSourceId: string, alike: readonly string[]) => void;
  /** Called together with `onSchema` if the role could write to one of the tables. */
  readonly onWritable?: (found: WritableTable) => void;
  /** Called when a later detection failed; the tables that were found before stay. The text is for the log only. */
  readonly onSchemaFault?: (error: unknown) => void;
  /** Called with the number of dynamic roles of an organization that could not be read. */
  readonly onBadRole: (organizationId: string, count: number) => void;
  /** Called with the field of each value that could not be read. It counts as absent; a ban without a readable end has none. */
  readonly onUnreadable?: OnUnreadable;
}

/**
 * Reads of Better Auth's tables, always from PostgreSQL. Every method can fail with DATABASE_UNAVAILABLE or OVERLOADED, and
 * rejects with the reason of its demand's signal when that is aborted: its statement does not begin, or is cancelled on the
 * server.
 */
export interface Directory {
  /**
   * Detects the tables.
   * @throws {SchemaError} naming everything that is missing.
   */
  schema(): Promise<Schema>;
  facts(key: FactsKey, demand?: Demand): Promise<Facts>;
  userById(id: string, demand?: Demand): Promise<UserRecord | null>;
  /** Finds the user as Better Auth does: by the address in lower case, and by the equality of the column. */
  userByEmail(email: string, demand?: Demand): Promise<UserRecord | null>;
  organizationById(id: string, demand?: Demand): Promise<OrganizationRecord | null>;
  organizationBySlug(slug: string, demand?: Demand): Promise<OrganizationRecord | null>;
  memberships(page: MembershipPage, demand?: Demand): Promise<readonly MembershipRecord[]>;
  /** Reads the public keys of the JWKS table. */
  jwks(demand?: Demand): Promise<readonly JwksRecord[]>;
  /** How many reads wait for a connection. */
  waiting(): number;
  end(): Promise<void>;
}

/** Creates the directory; no connection is made before the first read. */
export function createDirectory(options: DirectoryOptions): Directory {
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
  let detectedAt = clock.monotonic();

  const find = async (): Promise<Tables> => {
    // Later detections use the path of the first: a pooler may begin sessions with another client's startup options.
    const { schema, searchPath, alike } = await detectSchema(
      db,
      options.searchPath ?? known?.searchPath ?? null,
      options.naming,
    );
    const dataSourceId = await readDataSourceId(db, schema);
    if (known?.dataSourceId === dataSourceId) return known;
    if (known !== null) checkUsers(known.schema, schema);
    const writable = await findWritableTable(db, schema);
    if (writable !== null) onWritable(writable);
    onSchema(schema, dataSourceId, options.searchPath === null ? alike : []);
    const readFacts = createFactsReader(db, schema, options.onBadRole, onUnreadable);
    known = { schema, searchPath, dataSourceId, readFacts };
    return known;
  };
  const detect = (): Promise<Tables> => {
    detectedAt = clock.monotonic();
    detecting ??= find().finally(() => {
      detecting = null;
    });
    return detecting;
  };
  const tables = async (): Promise<Tables> => {
    if (known === null) return detect();
    if (clock.monotonic() - detectedAt >= DETECTION_INTERVAL_MS) detect().catch(onSchemaFault);
    return known;
  };
  const current = async (): Promise<Schema> => (await tables()).schema;

  return {
    schema: async () => (await detect()).schema,
    facts: async (key, demand) => (await tables()).readFacts(key, demand),
    userById: async (id, demand) => readUserById(db, await current(), id, onUnreadable, demand),
    userByEmail: async (email, demand) => readUserByEmail(db, await current(), email, onUnreadable, demand),
    organizationById: async (id, demand) => readOrganization(db, await current(), 'id', id, onUnreadable, demand),
    organizationBySlug: async (slug, demand) =>
      readOrganization(db, await current(), 'slug', slug, onUnreadable, demand),
    memberships: async (page, demand) => readMemberships(db, await current(), page, onUnreadable, demand),
    jwks: async (demand) => readJwks(db, await current(), onUnreadable, demand),
    waiting: db.waiting,
    end: db.end,
  };
}

/** The tables that were found, and the statements that are made for them once. */
interface Tables {
  readonly schema: Schema;
  readonly searchPath: readonly string[];
  readonly dataSourceId: string;
  readonly readFacts: FactsReader;
}

/** How often the tables are detected again while there are reads: a migration can add the columns of the admin plugin. */
const DETECTION_INTERVAL_MS = 60_000;

/**
 * Checks that no column of the admin plugin is gone. After a rename of a column a banned user must not be let in, and a user
 * with a lesser role must not get the default role: reads fail until the column is back or the service is restarted.
 * @throws {SchemaError} naming the column.
 */
function checkUsers(before: Schema, { user }: Schema): void {
  for (const [field, says] of [
    ['banned', 'who is banned'],
    ['role', 'which platform roles users have'],
  ] as const) {
    const column = before.user.columns[field];
    if (column === undefined || user.columns[field] !== undefined) continue;
    throw new SchemaError(`The column "${column.name}" of "${before.user.table}" is gone, and nothing says ${says}.`);
  }
}
