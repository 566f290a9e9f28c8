/**
 * `npm run -s sql -- grants|outbox`: prints SQL for Better Auth's tables in DATABASE_URL, and runs none of it.
 * Exit codes: 0 printed, 1 the tables cannot be found, 2 wrong usage.
 */
import { loadDatabaseConfig } from '../config/command-line.ts';
import { ConfigError } from '../config/reader.ts';
import { createDirectory } from '../database/directory.ts';
import type { Schema } from '../database/models.ts';
import { grantsSql } from '../ddl/grants.ts';
import { outboxSql } from '../ddl/outbox.ts';
import { AssentError, describeError } from '../errors.ts';

const USAGE = `usage: npm run -s sql -- grants     prints the least-privilege role of the service (docs/operate/database.md)
       npm run -s sql -- outbox     prints the outbox and its triggers for the relay (docs/operate/events.md)
DATABASE_URL, ASSENT_DB_SCHEMA and ASSENT_NAMING say where Better Auth's tables are; the role must be able to read them.
`;

const COMMANDS: ReadonlyMap<string | undefined, (schema: Schema) => string> = new Map([
  ['grants', grantsSql],
  ['outbox', outboxSql],
]);

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof Error)) throw error;
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 1;
}

async function main(): Promise<number> {
  const print = COMMANDS.get(process.argv[2]);
  if (print === undefined || process.argv.length > 3) {
    process.stderr.write(USAGE);
    return 2;
  }
  const directory = createDirectory({
    ...loadDatabaseConfig(process.env),
    size: 1,
    statementTimeoutMs: 5_000,
    overloadWaitMs: 30_000,
    onFault: () => {},
    onBadRole: () => {},
  });
  try {
    process.stdout.write(print(await directory.schema()));
    return 0;
  } finally {
    await directory.end();
  }
}

function messageOf(error: Error): string {
  if (error instanceof ConfigError) return error.message;
  if (error instanceof AssentError) return `PostgreSQL at DATABASE_URL cannot be read: ${describeError(error)}`;
  return `${error.name}: ${error.message}`;
}
