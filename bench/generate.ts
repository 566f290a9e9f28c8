/** Fills Better Auth's tables by server-side SQL: three million members take a minute, and nothing passes the wire. */
import { createHash } from 'node:crypto';
import type pg from 'pg';
import { withClient } from '../tools/local-services/index.ts';

/** How much there is. */
export interface Population {
  readonly users: number;
  readonly organizations: number;
  /** Each user is a member of this many organizations. */
  readonly membershipsPerUser: number;
}

const hex = (text: string): string => createHash('md5').update(text).digest('hex');

/** The id of a user, counted from 0: 32 characters, as Better Auth's own. */
export const userId = (index: number): string => hex(`user ${index}`);
/** The id of an organization, counted from 0. */
export const organizationId = (index: number): string => hex(`organization ${index}`);

/** Between the organizations of a user, so that the members of one organization are not neighbours on the disk. */
const STRIDE = 37;
/** Whole milliseconds, as Better Auth writes. */
const NOW = "date_trunc('milliseconds', now())";
const ROLES = ['viewer', 'staff', 'admin', 'owner'] as const;

/** The organization of a user's membership, counted from 0. */
export const membershipOrganization = ({ organizations }: Population, user: number, membership: number): number =>
  (user + membership * STRIDE) % organizations;

/** The role of a user's membership. */
export const membershipRole = (user: number, membership: number): (typeof ROLES)[number] =>
  ROLES[(user + membership) % ROLES.length] ?? 'viewer';

const TABLES = ['users', 'organizations', 'members'];

/** Fills without what makes a million rows slow: foreign keys, which hold by construction, and secondary indexes. */
const inBulk = async (client: pg.Client, fill: () => Promise<void>): Promise<void> => {
  const { rows } = await client.query<{ name: string; definition: string }>(
    `SELECT indexrelid::regclass AS name, pg_get_indexdef(indexrelid) AS definition FROM pg_index
     WHERE indrelid = ANY($1::regclass[]) AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)`,
    [TABLES],
  );
  for (const { name } of rows) await client.query(`DROP INDEX ${name}`);
  await client.query("SET session_replication_role = replica; SET maintenance_work_mem = '256MB'");
  await fill();
  for (const { definition } of rows) await client.query(definition);
  await client.query('RESET session_replication_role');
};

/**
 * Fills plural tables that Better Auth migrated.
 * @param url Of a superuser.
 */
export const generate = async (
  url: string,
  { users, organizations, membershipsPerUser }: Population,
): Promise<void> => {
  await withClient(url, async (client) => {
    await inBulk(client, async () => {
      await client.query(
        `INSERT INTO users (id, name, email, "emailVerified", "createdAt", "updatedAt", role)
       SELECT md5('user ' || i), 'User ' || i, 'user-' || i || '@example.com', true, ${NOW}, ${NOW}, 'user'
       FROM generate_series(0, $1::int - 1) i`,
        [users],
      );
      await client.query(
        `INSERT INTO organizations (id, name, slug, "createdAt", metadata)
       SELECT md5('organization ' || i), 'Organization ' || i, 'organization-' || i, ${NOW}, '{"plan":"standard"}'
       FROM generate_series(0, $1::int - 1) i`,
        [organizations],
      );
      await client.query(
        `INSERT INTO members (id, "userId", "organizationId", role, "createdAt")
       SELECT md5('member ' || i || ' ' || k), md5('user ' || i), md5('organization ' || ((i + k * $3::int) % $4::int)),
         ($5::text[])[1 + (i + k) % cardinality($5::text[])], ${NOW}
       FROM generate_series(0, $1::int - 1) i, generate_series(0, $2::int - 1) k`,
        [users, membershipsPerUser, STRIDE, organizations, ROLES],
      );
    });
    await client.query('VACUUM ANALYZE');
  });
};

/** Makes one user a member of the first `count` organizations, for paging through them. */
export const joinMany = async (url: string, user: string, count: number): Promise<void> => {
  await withClient(url, async (client) => {
    await client.query(
      `INSERT INTO members (id, "userId", "organizationId", role, "createdAt")
       SELECT md5('many ' || i || $1), $1, md5('organization ' || i), 'viewer', ${NOW}
       FROM generate_series(0, $2::int - 1) i`,
      [user, count],
    );
    await client.query('VACUUM ANALYZE members');
  });
};

/** Makes a user a member. */
export const addMember = async (url: string, user: string, organization: string, role: string): Promise<void> => {
  await withClient(url, (client) =>
    client.query(
      `INSERT INTO members (id, "userId", "organizationId", role, "createdAt") VALUES (md5($1 || $2), $1, $2, $3, ${NOW})`,
      [user, organization, role],
    ),
  );
};
