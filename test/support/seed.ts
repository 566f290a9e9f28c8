/** Rows of Better Auth's tables, written by SQL: what the application would have written, without its API in between. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';

/** The table names of a schema of Better Auth; columns are camelCase. */
export interface TableNames {
  readonly user: string;
  readonly member: string;
  readonly organization: string;
}

export const PLURAL: TableNames = { user: 'users', member: 'members', organization: 'organizations' };
export const SINGULAR: TableNames = { user: 'user', member: 'member', organization: 'organization' };

const newId = (): string => randomUUID().replaceAll('-', '');

export interface SeedUser {
  readonly id?: string;
  readonly email?: string;
  readonly role?: string | null;
  readonly banned?: boolean | null;
  readonly banReason?: string | null;
  readonly banExpires?: Date | null;
}

/** Writes rows; every method returns the id. */
export const createSeed = (client: pg.Client | pg.Pool, tables: TableNames = PLURAL) => {
  const insert = async (table: string, row: Readonly<Record<string, unknown>>): Promise<void> => {
    const columns = Object.keys(row).map((name) => pg.escapeIdentifier(name));
    const places = columns.map((_, index) => `$${index + 1}`);
    await client.query(
      `INSERT INTO ${pg.escapeIdentifier(table)} (${columns.join(', ')}) VALUES (${places.join(', ')})`,
      Object.values(row),
    );
  };
  return {
    user: async (user: SeedUser = {}): Promise<string> => {
      const { id = newId(), email = `${id.slice(0, 40)}@example.com`.toLowerCase(), ...rest } = user;
      const now = new Date();
      await insert(tables.user, {
        id,
        name: `Name of ${id}`,
        email,
        emailVerified: true,
        createdAt: now,
        updatedAt: now,
        ...rest,
      });
      return id;
    },
    organization: async (
      organization: { readonly id?: string; readonly slug?: string; readonly metadata?: string | null } = {},
    ): Promise<string> => {
      const { id = newId(), slug = `slug-${id}`, metadata = null } = organization;
      await insert(tables.organization, { id, name: `Organization ${id}`, slug, metadata, createdAt: new Date() });
      return id;
    },
    member: async (userId: string, organizationId: string, role: string, createdAt = new Date()): Promise<string> => {
      const id = newId();
      await insert(tables.member, { id, userId, organizationId, role, createdAt });
      return id;
    },
    /** Sets columns of a user. */
    updateUser: async (id: string, change: Readonly<Record<string, unknown>>): Promise<void> => {
      const sets = Object.keys(change).map((name, index) => `${pg.escapeIdentifier(name)} = $${index + 2}`);
      await client.query(`UPDATE ${pg.escapeIdentifier(tables.user)} SET ${sets.join(', ')} WHERE id = $1`, [
        id,
        ...Object.values(change),
      ]);
    },
    setRole: async (userId: string, organizationId: string, role: string): Promise<void> => {
      await client.query(
        `UPDATE ${pg.escapeIdentifier(tables.member)} SET role = $3 WHERE "userId" = $1 AND "organizationId" = $2`,
        [userId, organizationId, role],
      );
    },
    removeMember: async (userId: string, organizationId: string): Promise<void> => {
      await client.query(
        `DELETE FROM ${pg.escapeIdentifier(tables.member)} WHERE "userId" = $1 AND "organizationId" = $2`,
        [userId, organizationId],
      );
    },
  };
};

export type Seed = ReturnType<typeof createSeed>;
