/** What the documents name is there, and what is there they name. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, normalize } from 'node:path';
import { eventNames } from '@assent/event-contract';
import { describe, expect, it } from 'vitest';
import { Reason } from '../../../gen/assent/auth/v1/auth_service_pb.ts';
import { parseCallers } from '../../../src/callers/file.ts';
import { ConfigError, loadConfig } from '../../../src/config/index.ts';
import { parsePolicy } from '../../../src/policy/file.ts';
import { createMetrics } from '../../../src/telemetry/metrics.ts';
import { createWorkerMetrics } from '../../../src/telemetry/worker-metrics.ts';

const root = join(import.meta.dirname, '../../..');
const read = (name: string): string => readFileSync(join(root, name), 'utf8');
const markdownIn = (folder: string, options?: { readonly recursive: true }): readonly string[] =>
  readdirSync(join(root, folder), { encoding: 'utf8', ...options })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name));
const documents = [
  ...markdownIn('.'),
  ...markdownIn('docs', { recursive: true }),
  ...['packages/better-auth/README.md', 'tools/README.md'],
];

/** The first cells of a document's tables, and of each the names in backticks. */
const namesInTables = (name: string): readonly string[] =>
  read(name)
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .flatMap((line) => [...(line.split('|')[1] ?? '').matchAll(/`(\w+)`/g)].map(([, found = '']) => found));

/** Every variable that the configuration looks at, whatever the others say. */
const variablesRead = (): ReadonlySet<string> => {
  const seen = new Set<string>();
  const environments: readonly Readonly<Record<string, string>>[] = [
    {},
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318', BETTER_AUTH_URL: 'https://app.example.com' },
  ];
  for (const environment of environments) {
    const spy = new Proxy(environment, {
      get: (target, name) => {
        seen.add(String(name));
        return Reflect.get(target, name) as string | undefined;
      },
    });
    try {
      loadConfig(spy);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
    }
  }
  return seen;
};

describe('the table of variables', () => {
  // OpenTelemetry's own are read by its SDK; the configuration only looks whether any of them asks for traces.
  const ours = (names: Iterable<string>): readonly string[] =>
    [...new Set(names)].filter((name) => !name.startsWith('OTEL_')).toSorted();

  it('the table in docs/operate/configuration.md names exactly the variables that are read', () => {
    expect(ours(namesInTables('docs/operate/configuration.md'))).toEqual(ours(variablesRead()));
  });

  it('docs/use/tokens.md names only variables that are read', () => {
    const named = namesInTables('docs/use/tokens.md').filter(
      (one) => /^[A-Z][A-Z_]+$/.test(one) && !one.startsWith('TOKEN_'),
    );
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((one) => !variablesRead().has(one))).toEqual([]);
  });
});

it('docs/operate/metrics.md names exactly the metrics that exist, and docs/operate/alerts.md names no others', async () => {
  const metrics = createMetrics();
  // Every value that is asked for at a scrape.
  metrics.observeCallers(
    () => new Map(),
    () => 0,
  );
  metrics.observe(
    new Proxy({} as Parameters<typeof metrics.observe>[0], {
      get: (_, name) => (name === 'subscription' ? null : () => 0),
    }),
  );
  metrics.connections({ known: 0, strangers: 0 }, []);
  const text = (await metrics.scrape()).text + (await createWorkerMetrics().text(new Set(), 2));
  const there = [...text.matchAll(/^# HELP (assent_\w+)/gm)].map(([, name]) => name);
  expect(
    namesInTables('docs/operate/metrics.md')
      .filter((name) => name.startsWith('assent_'))
      .toSorted(),
  ).toEqual(there.toSorted());
  const alerted = [...read('docs/operate/alerts.md').matchAll(/`[^`]*\b(assent_\w+)[^`]*`/g)].map(([, name]) => name);
  expect(alerted.length).toBeGreaterThan(5);
  expect(alerted.filter((name) => !there.includes(name))).toEqual([]);
});

it('docs/use/decision.md and docs/use/tokens.md name every reason', () => {
  const named = (name: string): ReadonlySet<string> => new Set(read(name).match(/\b[A-Z_]{6,}\b/g));
  const reasons = Object.keys(Reason).filter((name) => !/^\d+$|^UNSPECIFIED$/.test(name));
  expect(reasons.filter((name) => !named('docs/use/decision.md').has(name))).toEqual([]);
  const codes = read('src/errors.ts').match(/(?<=')TOKEN_\w+/g) ?? [];
  expect(codes.length).toBeGreaterThan(8);
  expect(codes.filter((name) => !named('docs/use/tokens.md').has(name))).toEqual([]);
});

it('documents name events of the log that docs/operate/log.md has', () => {
  const events = new Set(
    [...read('docs/operate/log.md').matchAll(/^\| `([a-z]+\.[a-z_]+)`/gm)].map(([, event = '']) => event),
  );
  const areas = new Set([...events].map((event) => event.split('.')[0] ?? ''));
  const named = documents
    .flatMap((name) => [...read(name).matchAll(/`(?:event: )?([a-z]+)\.([a-z_]+)`/g)])
    .filter(([, area = '', rest = '']) => areas.has(area) && !['env', 'yaml'].includes(rest))
    .map(([, area, rest]) => `${area}.${rest}`);
  expect(named.length).toBeGreaterThan(events.size);
  expect(named.filter((event) => !events.has(event))).toEqual([]);
});

it('docs/use/errors.md names exactly the reasons that errors have', () => {
  const [, union = ''] = /export type ErrorCode =\n(.*?);/s.exec(read('src/errors.ts')) ?? [];
  const codes = [...`${union}${read('src/errors.ts').split('export type ErrorCode')[0]}`.matchAll(/\| '(\w+)'/g)];
  const reasons = ['INTERNAL', ...codes.map(([, code = '']) => code)];
  expect(namesInTables('docs/use/errors.md').toSorted()).toEqual(reasons.toSorted());
});

it('docs/contribute/dependencies.md names exactly what package.json installs', () => {
  const sections = read('docs/contribute/dependencies.md').split(/^[A-Z].*:$/m);
  const named = (text = ''): readonly string[] =>
    text
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .flatMap((line) => [...(line.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map(([, found = '']) => found))
      .toSorted();
  const manifest = JSON.parse(read('package.json')) as Readonly<Record<string, object>>;
  const installed = (kind: string): readonly string[] => Object.keys(manifest[kind] ?? {}).toSorted();
  expect(named(sections[1])).toEqual(installed('dependencies'));
  expect(named(sections[2])).toEqual(
    [...installed('devDependencies'), ...installed('optionalDependencies')].toSorted(),
  );
});

it('docs/operate/events.md names exactly the known subjects', () => {
  const rows = read('docs/operate/events.md')
    .split('\n')
    .filter((line) => line.startsWith('| `betterauth.'));
  const named = rows.flatMap((row) =>
    [...(row.split('|')[1] ?? '').matchAll(/`(?:betterauth)?\.([\w.]+)`/g)].map(([, name = '']) => name),
  );
  expect(named.toSorted()).toEqual([...eventNames].toSorted());
});

it('the policies and cases in docs/use/policy.md hold', () => {
  const blocks = [...read('docs/use/policy.md').matchAll(/```yaml\n(.*?)```/gs)].map(([, text = '']) => text);
  const [policy = '', ...more] = blocks.filter((text) => text.startsWith('version:'));
  const [cases = ''] = blocks.filter((text) => text.includes('cases:'));
  expect(more).toHaveLength(1);
  for (const text of more) expect(() => parsePolicy(text, 'docs/use/policy.md')).not.toThrow();
  const folder = mkdtempSync(join(tmpdir(), 'assent-docs-'));
  try {
    writeFileSync(join(folder, 'policy.yaml'), policy);
    writeFileSync(join(folder, 'cases.yaml'), cases);
    const args = ['src/cli/policy.ts', 'test', join(folder, 'cases.yaml')];
    expect(spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it('the file in docs/operate/callers.md is one that the service takes', () => {
  const [, text = ''] = /```yaml\n(callers:.*?)```/s.exec(read('docs/operate/callers.md')) ?? [];
  const { value, problems } = parseCallers(text, { hasClientCertificates: true, workers: 1 });
  expect(problems).toEqual([]);
  expect(value.map(({ name }) => name)).toEqual(['orders', 'billing']);
});

/** The headings of a document as GitHub names them in links. */
const headingsOf = (name: string): ReadonlySet<string> =>
  new Set(
    [...read(name).matchAll(/^#+ (.*)$/gm)].map(([, text = '']) =>
      text
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    ),
  );

describe.each(documents)('%s', (name) => {
  it('a document links to files and headings that exist', () => {
    const links = [...read(name).matchAll(/\]\((?<file>[^)#:]*)(?:#(?<heading>[^)]+))?\)/g)].map(
      ({ groups }) => groups,
    );
    const missing = links.filter((link) => {
      const [file, heading] = [link?.['file'] ?? '', link?.['heading']];
      const path = file === '' ? name : normalize(join(dirname(name), file));
      return !existsSync(join(root, path)) || (heading !== undefined && !headingsOf(path).has(heading));
    });
    expect(missing).toEqual([]);
  });

  it('a document names paths that exist', () => {
    const folders = 'src|test|packages|proto|gen|docs|bench|chaos|siege|demo|scripts|tools|examples';
    const paths = [...read(name).matchAll(new RegExp(`\`((?:${folders})/[\\w./*-]*)\``, 'g'))]
      .map(([, path = '']) => path)
      // A pattern stands for files of its folder.
      .map((path) => (path.includes('*') ? dirname(path.slice(0, path.indexOf('*') + 1)) : path));
    expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  it("a document uses the field's words, with nouns as subjects", () => {
    // Code and the tables of a benchmark run keep their names.
    const prose = read(name)
      .replaceAll(/<!-- last full run.*<!-- end of the last full run -->/gs, '')
      .replaceAll(/```.*?```|`[^`]*`/gs, '');
    const words =
      /\b(?:whoever|nobody|somebody|everybody|of (?:its|their) own|those (?:that|who)|doors?|deaf|monolith|stamps?)\b/gi;
    expect(prose.match(words) ?? []).toEqual([]);
  });

  it('a document names npm scripts that exist', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Readonly<Record<string, string>> };
    const named = [...read(name).matchAll(/npm run (?:-s )?([\w:-]+)/g)].map(([, script = '']) => script);
    expect(named.filter((script) => scripts[script] === undefined)).toEqual([]);
  });
});

it('source files name documents that exist', () => {
  const folders = ['src', 'packages', 'proto', 'bench', 'chaos', 'siege', 'demo', 'scripts', 'tools', 'test'];
  const { stdout } = spawnSync('git', ['ls-files', '--', ...folders], { cwd: root, encoding: 'utf8' });
  const sources = stdout.split('\n').filter((name) => /\.(?:[cm]?ts|[cm]js|proto|sh|ya?ml)$/.test(name));
  const named = sources
    // It plants names of documents that do not exist.
    .filter((name) => name !== 'test/unit/repository/words.test.ts')
    .filter((name) => existsSync(join(root, name)))
    .flatMap((name) =>
      [...read(name).matchAll(/\b(?:docs|packages|tools)\/[\w./-]*\.md\b/g)].map(([path]) => ({ name, path })),
    );
  expect(named.length).toBeGreaterThan(50);
  expect(named.filter(({ path }) => !existsSync(join(root, path)))).toEqual([]);
});

describe('commands of the documents that run outside of a clone', () => {
  const lines = documents.flatMap((name) =>
    read(name)
      .replaceAll(/\\\n\s*/g, ' ')
      .split('\n'),
  );

  it('commands of the documents name packages by their names in the registry', () => {
    const named = lines.flatMap((line) =>
      [...line.matchAll(/\b(?:npx|bunx)(?: -\S+)* ([@\w/.-]+)/g)].map(([, one]) => one),
    );
    // In a clone: the test runner and `assent`. Where @assent/better-auth is installed: its command. Everywhere: packages.
    expect([...new Set(named)].toSorted()).toEqual(['@bufbuild/buf', 'assent', 'assent-policy', 'vitest']);
  });

  it('commands of the documents show the false of a denial', () => {
    const calls = lines.filter((line) => /(?:grpcurl|buf curl) .*\/\w+$/.test(line.trim()));
    expect(calls.length).toBeGreaterThan(0);
    expect(calls.filter((line) => !line.includes('-emit-defaults'))).toEqual([]);
  });

  it('commands of the documents write no generated code into a clone', () => {
    const generating = lines.filter((line) => line.includes('buf generate --template'));
    expect(generating).toHaveLength(3);
    for (const line of generating) {
      const [, template = '', folder] = / --template (\S+) -o (\S+)/.exec(line) ?? [];
      expect([existsSync(join(root, template)), folder]).toEqual([true, 'FOLDER']);
    }
  });
});

it("docs/use/calling.md has the service config of each language's client, and names every setting", () => {
  const text = read('docs/use/calling.md');
  const [, config = ''] = /```json\n(\{\n {2}"loadBalancingConfig".*?)```/s.exec(text) ?? [];
  const [, inGo = ''] = /serviceConfig = `(.*?)`/s.exec(read('sdks/go/assent.go')) ?? [];
  expect(JSON.parse(inGo)).toEqual(JSON.parse(config));
  const [, inPython = ''] = /^SERVICE_CONFIG = (\{.*?^\})/ms.exec(read('sdks/python/assent_client.py')) ?? [];
  // Python has no setting for the time of a call in it.
  const { timeout, ...method } = JSON.parse(config).methodConfig[0];
  expect(JSON.parse(inPython.replaceAll(/,(\s*[}\]])/g, '$1'))).toEqual({
    ...JSON.parse(config),
    methodConfig: [method],
  });
  const java = read('sdks/java/src/main/java/com/example/orders/AssentClient.java');
  const values = (config.match(/"[\w.]+"/g) ?? []).filter((value) => !java.includes(value));
  expect(values, timeout).toEqual([]);
  const options = [...read('sdks/python/assent_client.py').matchAll(/"(grpc\.[\w.]+)"/g)].map(([, name = '']) => name);
  expect(options).toHaveLength(8);
  expect(options.filter((name) => name !== 'grpc.service_config' && !text.includes(`\`${name}\``))).toEqual([]);
});

it('docs/understand/architecture.md shows every folder of src', () => {
  const text = read('docs/understand/architecture.md');
  const shown = [...text.matchAll(/^\| `([\w-]+\/[\w./-]*)`/gm)].map(([, path = '']) => path);
  const folders = readdirSync(join(root, 'src'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  // The parts of src/config.ts are shown with it.
  const needed = folders.map(({ name }) => `src/${name}/`).filter((path) => path !== 'src/config/');
  expect(needed.filter((path) => !shown.includes(path))).toEqual([]);
});

it('the drawings of docs/understand/architecture.md name files that are there', () => {
  const drawings = [...read('docs/understand/architecture.md').matchAll(/```mermaid\n(.*?)```/gs)];
  const named = drawings.flatMap(([, text = '']) => [...text.matchAll(/[\w-]+\.ts/g)].map(([name]) => name));
  expect(named.length).toBeGreaterThan(30);
  const files = ['src', 'packages']
    .flatMap((folder) => readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }))
    .map((path) => path.slice(path.lastIndexOf('/') + 1));
  expect(named.filter((name) => !files.includes(name))).toEqual([]);
});

it('docs/understand/architecture.md counts the files of each way as its tables name them', () => {
  const tables = [...read('docs/understand/architecture.md').matchAll(/ passes (\d+) files:\n\n(.*?)\n\n/gs)].map(
    ([, count, table = '']) => ({
      count: Number(count),
      files: new Set([...table.matchAll(/`((?:src|packages)\/[\w./-]+\.ts)`/g)].map(([, path]) => path)).size,
    }),
  );
  expect(tables).toHaveLength(4);
  expect(tables.filter(({ count, files }) => count !== files)).toEqual([]);
});

it('each row of docs/understand/hardening.md names a test', () => {
  const rows = read('docs/understand/hardening.md')
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| attack or fault '));
  expect(rows.length).toBeGreaterThan(100);
  expect(rows.filter((row) => !/`test\/[^`]+`[^|]* \|$/.test(row))).toEqual([]);
});
