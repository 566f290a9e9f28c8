/** A database with Better Auth's tables, the outbox and its triggers, and the relay's role. */
import pg from 'pg';
import { afterAll } from 'vitest';
import { parseNaming } from '../../../src/config/naming.ts';
import type { Schema } from '../../../src/database/models.ts';
import { grantsSql } from '../../../src/ddl/grants.ts';
import { outboxSql } from '../../../src/ddl/outbox.ts';
import { directoryOf } from '../../../tools/assent/directory.ts';
import { asLeastPrivilege } from '../../../tools/assent/least-privilege.ts';
import { VARIANTS, type Variant } from '../database/variants.ts';
import { testDatabase } from '../database.ts';

export const variantOf = (title: string): Variant => {
  const variant = VARIANTS.find((one) => one.title === title);
  if (variant === undefined) throw new Error(`no variant ${title}`);
  return variant;
};

/** The schema as `npm run sql` finds it. */
export const detect = async (url: string, { naming, schema }: Variant): Promise<Schema> => {
  const directory = directoryOf(url, {
    searchPath: schema === null ? null : [schema],
    naming: parseNaming(naming).value,
  });
  return directory.schema().finally(() => directory.end());
};

/** @returns the owner's URL, and a pool of the owner's for raw SQL; ended after the file's tests. */
export const outboxDatabase = async (variant: Variant) => {
  const { url, name } = await testDatabase();
  await variant.migrate(url);
  const schema = await detect(url, variant);
  await asLeastPrivilege(url, grantsSql(schema));
  // Twice: running it again must not break anything.
  for (let run = 0; run < 2; run += 1) await asLeastPrivilege(url, outboxSql(schema));
  const pool = new pg.Pool({ connectionString: url, max: 4 });
  pool.on('error', () => {});
  afterAll(() => pool.end());
  const waiting = async (): Promise<number> =>
    (await pool.query('SELECT count(*)::int AS count FROM assent.outbox')).rows[0].count;
  return { url, name, pool, schema, waiting };
};
