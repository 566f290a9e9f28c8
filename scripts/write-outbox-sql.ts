/**
 * Writes the outbox for the usual names into the folder `sql` of `@assent/better-auth`, as its `prepack` does. The source is
 * src/ddl, whose output `npm run sql` prints for any names.
 *
 * `node ../../scripts/write-outbox-sql.ts [FOLDER]`; FOLDER is `sql` when absent.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { outboxSql } from '../src/ddl/outbox.ts';
import { OUTBOX_FILES } from '../src/ddl/usual-names.ts';

const target = process.argv[2] ?? join(process.cwd(), 'sql');
rmSync(target, { recursive: true, force: true });
mkdirSync(target);
for (const [name, schema] of OUTBOX_FILES) writeFileSync(join(target, name), outboxSql(schema));
