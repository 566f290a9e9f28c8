/**
 * The rules of the folders for the whole tree. Each rule is a function of the imports, so that a planted violation shows
 * that it can fail.
 */
import { describe, expect, it } from 'vitest';
import { cycleOf, type Imports, readImports } from '../../support/imports.ts';

/** What a folder of the root may import besides itself. `gen` imports nothing; the tests may import everything. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  src: ['gen', 'packages', 'package.json'],
  packages: ['gen'],
  // The command line runs the cases of a policy by the rules of the service.
  'packages/cli': ['gen', 'src'],
  tools: ['src'],
  demo: ['gen', 'packages', 'tools'],
  bench: ['gen', 'src', 'packages', 'tools', 'demo'],
  chaos: ['gen', 'src', 'packages', 'tools', 'demo', 'bench'],
  siege: ['gen', 'src', 'packages', 'tools', 'demo', 'bench'],
  scripts: ['src'],
  examples: ['demo', 'tools'],
};
/** What serves or reaches a server: none of it is in the reach of a unit test. */
const SERVERS =
  /^(?:tools\/(?:assent|local-services|network\/proxy)|test\/support\/(?:database|redis|nats)\.ts$|node:(?:net|tls|http|https|http2|dgram)$)/;

const imports = readImports([...Object.keys(MAY_IMPORT).filter((folder) => !folder.includes('/')), 'test']);

const rules: readonly (readonly [
  title: string,
  violations: (imports: Imports) => readonly string[],
  planted: readonly (readonly [file: string, imported: string])[],
])[] = [
  [
    'no file imports itself through others',
    (all) => cycleOf(all),
    [
      ['src/policy/planted.ts', 'src/policy/second.ts'],
      ['src/policy/second.ts', 'src/policy/planted.ts'],
    ],
  ],
  [
    'no folder imports itself through others',
    (all) => cycleOf(folderGraph(all)),
    [
      ['src/telemetry/planted.ts', 'src/rpc/planted.ts'],
      ['src/rpc/planted.ts', 'src/telemetry/planted.ts'],
    ],
  ],
  [
    'a folder of the root imports what the table of this test admits, and none but test/ imports test/',
    (all) =>
      edges(all, (file, imported) => {
        const admitted = MAY_IMPORT[folderOf(file)] ?? MAY_IMPORT[top(file)];
        return isPath(imported) && top(imported) !== top(file) && admitted?.includes(top(imported)) === false;
      }),
    [['demo/planted.ts', 'test/support/until.ts']],
  ],
  [
    'src imports no program that is built on it, and no test',
    (all) =>
      edges(
        all,
        (file, imported) => top(file) === 'src' && /^(?:tools|bench|chaos|siege|demo|scripts|test)\//.test(imported),
      ),
    [['src/planted.ts', 'tools/network/proxy.ts']],
  ],
  [
    "of the packages, only the client and the command line import generated code, and the client's core imports no framework",
    (all) =>
      edges(
        all,
        (file, imported) =>
          file.startsWith('packages/') &&
          ((top(imported) === 'gen' && !/^packages\/cli(?:ent)?\//.test(file)) ||
            (/^packages\/client\/src\/(?!fastify|express|hono|nest|connect|grpc)/.test(file) &&
              /^(?:fastify|express|hono|@nestjs\/|@connectrpc\/)/.test(imported))),
      ),
    [['packages/better-auth/src/planted.ts', 'gen/assent/auth/v1/auth_service_pb.ts']],
  ],
  [
    'test/support imports no test, and a layer of the tests imports no other layer',
    (all) =>
      edges(
        all,
        (file, imported) => top(file) === 'test' && layer(imported) !== null && layer(file) !== layer(imported),
      ),
    [['test/support/planted.ts', 'test/unit/planted.test.ts']],
  ],
  [
    'test/unit reaches no server',
    (all) =>
      [...all.keys()]
        .filter((file) => layer(file) === 'unit')
        .flatMap((file) =>
          [...reachedInTests(file, all)].flatMap((reached) =>
            (all.get(reached) ?? [])
              .filter((imported) => SERVERS.test(imported))
              .map((imported) => `${file}: ${reached} imports ${imported}`),
          ),
        ),
    [
      ['test/unit/planted.test.ts', 'test/support/planted.ts'],
      ['test/support/planted.ts', 'tools/local-services/index.ts'],
    ],
  ],
];

describe.each(rules)('%s', (_title, violations, planted) => {
  it('the rule of the folders holds for every file', () => {
    expect(violations(imports)).toEqual([]);
  });

  it('the rule of the folders is broken by a planted file', () => {
    const broken = new Map(imports);
    for (const [file, imported] of planted) broken.set(file, [...(broken.get(file) ?? []), imported]);
    expect(violations(broken)).not.toEqual([]);
  });
});

it('the imports of the whole tree are read', () => {
  for (const [file, imported] of [
    ['src/app.ts', 'src/rpc/handlers.ts'],
    ['src/main.ts', 'src/process.ts'],
    ['chaos/world.ts', 'tools/local-services/index.ts'],
    ['test/unit/policy/cases.test.ts', 'src/policy/cases.ts'],
  ] as const) {
    expect(imports.get(file), file).toContain(imported);
  }
  // A name that resolves to no file would make every rule hold.
  expect(edges(imports, (_file, imported) => isPath(imported) && isMissing(imported))).toEqual([]);
});

/** The folders whose order is ruled: those of the root, and in src, packages and tools the folders below, too. */
function folderOf(file: string): string {
  const parts = file.split('/');
  return ['src', 'packages', 'tools'].includes(top(file)) ? parts.slice(0, 2).join('/') : top(file);
}

function folderGraph(all: Imports): ReadonlyMap<string, ReadonlySet<string>> {
  const graph = new Map<string, Set<string>>();
  for (const [file, imported] of all) {
    const from = folderOf(file);
    const to = graph.get(from) ?? new Set();
    graph.set(from, to);
    for (const path of imported.filter(isPath).map(folderOf)) if (path !== from) to.add(path);
  }
  return graph;
}

function edges(all: Imports, is: (file: string, imported: string) => boolean): readonly string[] {
  return [...all].flatMap(([file, imported]) =>
    imported.filter((one) => is(file, one)).map((one) => `${file} imports ${one}`),
  );
}

/** A file of test/ and the files of test/ that it imports, however far. */
function reachedInTests(file: string, all: Imports, reached: Set<string> = new Set()): ReadonlySet<string> {
  if (reached.has(file)) return reached;
  reached.add(file);
  for (const next of all.get(file) ?? []) if (top(next) === 'test') reachedInTests(next, all, reached);
  return reached;
}

function layer(path: string): string | null {
  return /^test\/(unit|integration|e2e|property)\//.exec(path)?.[1] ?? null;
}

function top(path: string): string {
  return path.split('/')[0] ?? '';
}

function isPath(imported: string): boolean {
  return [...Object.keys(MAY_IMPORT), 'gen', 'test', 'package.json'].includes(top(imported));
}

function isMissing(path: string): boolean {
  return top(path) !== 'gen' && path.endsWith('.ts') && !imports.has(path);
}
