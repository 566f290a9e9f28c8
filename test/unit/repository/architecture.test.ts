/** The rules of the folders of src: one driver in one folder, and what may know what. Those of the tree: folders.test.ts. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../../../src');
const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));

/** What each file imports: packages by name, files of src by their path below it. */
const imports = new Map(
  files.map((file) => {
    const text = readFileSync(join(root, file), 'utf8');
    const specifiers = [...text.matchAll(/(?:from|import)\s+'(?<name>[^']+)'|import\('(?<late>[^']+)'\)/g)].map(
      (match) => match.groups?.['name'] ?? match.groups?.['late'] ?? '',
    );
    return [
      file,
      specifiers.map((name) => (name.startsWith('.') ? relative(root, resolve(root, dirname(file), name)) : name)),
    ] as const;
  }),
);
const folderOf = (file: string): string => (file.includes(sep) ? (file.split(sep)[0] ?? '') : '');
const importers = (test: (specifier: string) => boolean): readonly string[] =>
  [...imports].filter(([, specifiers]) => specifiers.some(test)).map(([file]) => file);

describe('the architecture of src', () => {
  it('the imports of src are read', () => {
    expect(files.length).toBeGreaterThan(40);
    expect(imports.get('app.ts')).toContain(join('rpc', 'handlers.ts'));
  });

  it.each([
    ['slonik', 'database'],
    // Under slonik, which has no LISTEN, for which the relay needs a separate client.
    ['pg', 'database, relay'],
    ['ioredis', 'facts'],
    ['nats', 'invalidation'],
    ['jose', 'token'],
    ['@connectrpc/connect', 'server'],
    ['pino', 'telemetry'],
    ['prom-client', 'telemetry'],
  ])('the folder %s is imported by %s only', (driver, folders) => {
    const users = importers((name) => name === driver);
    expect(users.length).toBeGreaterThan(0);
    expect([...new Set(users.map(folderOf))].toSorted().join(', ')).toBe(folders);
  });

  it('facts, database and invalidation never import each other', () => {
    for (const [file, specifiers] of imports) {
      const others = ['facts', 'database', 'invalidation'].filter((folder) => folder !== folderOf(file));
      if (others.length === 3) continue;
      expect(
        // The vocabulary of invalidation, which both sides speak.
        specifiers.filter((name) => others.includes(folderOf(name)) && name !== join('invalidation', 'sink.ts')),
        file,
      ).toEqual([]);
    }
  });

  it('src/policy is pure: no driver, no I/O and no clock, but for the files that read policies and cases', () => {
    const readers = ['store.ts', 'parse-worker.ts', 'cases.ts'].map((file) => join('policy', file));
    expect(readers.filter((file) => !imports.has(file))).toEqual([]);
    for (const [file, specifiers] of imports) {
      if (folderOf(file) !== 'policy' || readers.includes(file)) continue;
      expect(
        specifiers.filter(
          (name) => name !== '@assent/policy-format' && (folderOf(name) !== 'policy' || readers.includes(name)),
        ),
        file,
      ).toEqual([]);
      expect(readFileSync(join(root, file), 'utf8'), file).not.toMatch(/Date\.now|performance\.now|setTimeout/);
    }
  });

  it('packages/policy-format is pure, too: a parser of YAML, no other import and no clock', () => {
    const folder = join(root, '../packages/policy-format/src');
    const sources = readdirSync(folder);
    expect(sources).toContain('read-policy.ts');
    for (const file of sources) {
      const text = readFileSync(join(folder, file), 'utf8');
      for (const [, name = ''] of text.matchAll(/(?:from|import)\s*\(?'([^']+)'/g)) {
        expect(name, file).toMatch(/^(?:yaml|\.\/[\w-]+\.ts)$/);
      }
      expect(text, file).not.toMatch(/Date\.now|performance\.now|setTimeout|process\./);
    }
  });

  it('handlers import no server', () => {
    expect(
      importers((name) => folderOf(name) === 'server').filter((file) => !['server', ''].includes(folderOf(file))),
    ).toEqual([]);
  });

  it('gRPC is implemented once: src does not import grpc-js', () => {
    expect(importers((name) => name.startsWith('@grpc/'))).toEqual([]);
  });

  it('src reads the environment in one place', () => {
    const readers = files.filter((file) => readFileSync(join(root, file), 'utf8').includes('process.env'));
    expect(
      readers.filter(
        (file) =>
          !['process.ts', join('cli', 'sql.ts'), join('cli', 'relay.ts'), join('config', 'index.ts')].includes(file),
      ),
    ).toEqual([]);
  });

  it('only the relay writes, and the service does not import it', () => {
    // Of SQL that is run. What `npm run sql` prints is for people to run.
    const writes =
      /\b(?:INSERT\s+INTO|UPDATE\s+\S+\s+SET|DELETE\s+FROM|TRUNCATE\s*["\w$]|MERGE\s+INTO|CREATE\s+TABLE|COPY\s)/;
    const writers = files.filter((file) => writes.test(readFileSync(join(root, file), 'utf8')));
    expect(writers.filter((file) => folderOf(file) !== 'ddl')).toEqual([join('relay', 'outbox.ts')]);
    const reached = new Set<string>();
    const visit = (file: string): void => {
      if (reached.has(file) || !imports.has(file)) return;
      reached.add(file);
      for (const next of imports.get(file) ?? []) visit(next);
    };
    visit('main.ts');
    expect(reached).toContain('app.ts');
    expect([...reached].filter((file) => ['relay', 'ddl'].includes(folderOf(file)))).toEqual([]);
  });
});
