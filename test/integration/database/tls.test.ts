/** `sslmode` and `sslrootcert` in DATABASE_URL, with a PostgreSQL that has a certificate. */
import { chownSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'slonik';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createDatabase } from '../../../src/database/pool.ts';
import { type PostgresServer, startPostgres, withClient } from '../../../tools/local-services/index.ts';
import { createAuthority } from '../../../tools/network/certificates.ts';
import { testFolder } from '../../support/folder.ts';

const authority = createAuthority('authority');
const { file } = testFolder();
const own = `sslrootcert=${file('own', authority.cert)}`;
const others = `sslrootcert=${file('others', createAuthority('others').cert)}`;

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
  const { uid, gid } = statSync(server.dataFolder);
  const { cert, key } = authority.issue('postgres');
  for (const [name, text] of [
    ['server.crt', cert],
    ['server.key', key],
  ] as const) {
    const path = join(server.dataFolder, name);
    // PostgreSQL refuses a key file that other users can read.
    writeFileSync(path, text, { mode: 0o600 });
    if (process.getuid?.() === 0) chownSync(path, uid, gid);
  }
  await withClient(server.url, (client) => client.query('ALTER SYSTEM SET ssl = on'));
  await server.restart();
});
afterAll(() => server?.stop());

const ask = async (parameters: string) => {
  const faults: unknown[] = [];
  const url = `${server.url}?${parameters}`;
  const onFault = (fault: unknown): void => void faults.push(fault);
  const database = createDatabase({
    url,
    size: 1,
    statementTimeoutMs: 5_000,
    overloadWaitMs: 1_000,
    onFault,
  });
  const statement = sql.unsafe`SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()`;
  try {
    const [row] = await database.rows(statement, z.object({ ssl: z.boolean() }));
    return { encrypted: row?.ssl, faults };
  } catch (error) {
    return { error, faults };
  } finally {
    await database.end();
  }
};

describe('a PostgreSQL with a certificate', () => {
  it.each([
    `sslmode=require&${own}`,
    `sslmode=verify-full&${own}`,
    own,
    'sslmode=no-verify',
    `sslmode=no-verify&${own}`,
  ])('a PostgreSQL with a certificate is read over TLS with %s', async (parameters) => {
    expect(await ask(parameters)).toEqual({ encrypted: true, faults: [] });
  });

  it.each(['', 'sslmode=disable', `sslmode=disable&${own}`])(
    'a PostgreSQL with a certificate is read without TLS with "%s"',
    async (parameters) => {
      expect(await ask(parameters)).toEqual({ encrypted: false, faults: [] });
    },
  );

  it.each([
    'sslmode=require',
    'sslmode=verify-full',
    `sslmode=require&${others}`,
    `sslmode=verify-full&${others}`,
    others,
  ])('a certificate of another authority makes DATABASE_UNAVAILABLE and no defect with %s', async (parameters) => {
    expect(await ask(parameters)).toMatchObject({ error: { code: 'DATABASE_UNAVAILABLE' }, faults: [{}] });
  });

  it('a PostgreSQL whose TLS was turned off makes DATABASE_UNAVAILABLE and no defect', async () => {
    await withClient(server.url, (client) => client.query('ALTER SYSTEM SET ssl = off'));
    await server.restart();
    expect(await ask(`sslmode=require&${own}`)).toMatchObject({
      error: { code: 'DATABASE_UNAVAILABLE' },
      faults: [{}],
    });
  });
});
