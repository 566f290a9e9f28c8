/** One name for one thing: a name that the field's word has replaced stands for that thing nowhere any more. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

interface Word {
  readonly replaced: RegExp;
  readonly instead: string;
  /** The files in which the word stood for that thing; all where it is absent. */
  readonly within?: RegExp;
  /** Files in which the word has another meaning, each with the reason. */
  readonly allowed?: readonly (readonly [files: RegExp, reason: string])[];
}

const EXAMPLE = [
  /^test\/(?:cases|unit\/(?:database|facts|policy)|integration\/database)\//,
  'doors and gates are resources of the policies in the tests',
] as const;
const WEB = /^(?:demo\/application|test\/(?:e2e|integration|property|support))\//;

const WORDS: readonly Word[] = [
  { replaced: /\bdoors?\b|ASSENT_GRPC_DOOR/i, instead: 'server', allowed: [EXAMPLE] },
  {
    replaced: /\blean\b/i,
    instead: 'gRPC server',
    allowed: [[/^docs\/contribute\/measuring\.md$/, 'measurements keep the names of their rows']],
  },
  { replaced: /guest[ -]services?|\bguests\b/i, instead: 'health and reflection' },
  { replaced: /\bExchange\b|\bDispatcher\b/, instead: 'ServerCall, call pipeline' },
  { replaced: /\bgates?\b/i, instead: 'caller authentication', allowed: [EXAMPLE] },
  { replaced: /\b(?:create)?Positions\b|\bpositions\.ts\b|\b[Ss]tamp(?:s|ed)?\b/, instead: 'freshness, revision' },
  { replaced: /(?<!Math\.)\bfloors?\b/i, instead: 'low-water mark; in bench and chaos, baseline' },
  { replaced: /\bhear(?:s|d|ing)?\b|\bdeaf\b|\bears?\b|assent_events_hearing/i, instead: 'subscription, live, stale' },
  {
    replaced: /(?<!DPoP )\bproofs?\b(?! of (?:that|a) key)/i,
    instead: 'lease renewal, liveness check',
    allowed: [[/^CHANGELOG\.md$/, 'a proof of the promise, not of a lease']],
  },
  { replaced: /(?<!single-)\bflights\b|\blandings?\b/i, instead: 'single-flight, filling the cache' },
  { replaced: /facts-pool|FactsPool/, instead: 'interning' },
  {
    replaced: /\borigins?\b/i,
    instead: 'data source id',
    allowed: [
      [WEB, 'the origin of a URL'],
      [/^(?:bench|tools|demo)\//, 'the origin of a URL, of a server program, or of a repository'],
      [/^docs\/use\/|^packages\/better-auth\/src\/policy\/|^src\/(?:config|token)\//, 'the origin of a URL'],
      [/^docs\/(?:contribute|operate)\/|^CONTRIBUTING\.md$/, 'the remote of a repository, or the origin of a URL'],
    ],
  },
  { replaced: /\bseal(?:s|ed|ing)?\b/i, instead: 'MAC, sign, verify' },
  { replaced: /\bspell(?:s|ed|ings?)\b/i, instead: 'canonical id' },
  {
    replaced: /\bslots?\b/i,
    instead: 'semaphore',
    allowed: [
      [
        /^src\/facts\/(?:cache-key|redis-\w+)\.ts$|\/redis-(?:cluster|deployments|slot)[.\w]*\.ts$/,
        'a slot of Redis Cluster',
      ],
      [/^docs\/(?:operate\/configuration|understand\/(?:hardening|adr\/0021-.*))\.md$/, 'a slot of Redis Cluster'],
    ],
  },
  { replaced: /\bin-place\b|[vV]erifyInPlace/, instead: 'synchronous verification' },
  { replaced: /token\/compact\b|parseCompact/, instead: 'JWS' },
  { replaced: /\bobservers\b|\brarely\b/i, instead: 'instrumentation, rate-limited log' },
  { replaced: /\bpages\.ts\b|createPages|\bservePages/, instead: 'probes and metrics endpoints' },
  { replaced: /plain-server|secure-sockets/, instead: 'cleartext listener, TLS sockets' },
  { replaced: /\bAsked\b|(?:resolve|read)Asked|rpc\/question\b/, instead: 'check target', within: /^src\/rpc\// },
  { replaced: /recent-changes|RecentChanges/, instead: 'invalidation index' },
  { replaced: /src\/setup\b/, instead: 'ddl' },
  { replaced: /config\/(?:parts|programs)\b/, instead: 'shared settings, command-line programs' },
  {
    replaced: /\btouched\b|\bpinned\b/i,
    instead: 'affected rows, equality conditions',
    within: /^packages\/better-auth\//,
  },
  { replaced: /\bmonolith\b/i, instead: 'application' },
  {
    // Not the user, role or host `nobody` of a test.
    replaced: /\b(?:whoever|somebody|everybody|anybody)\b(?!['"-])|(?<!['"`\w@/=:. ])nobody\b|\bnobody (?!['"])/i,
    instead: 'the noun',
    allowed: [[/^tools\/local-services\/postgres\.ts$/, 'the user `nobody` of a machine']],
  },
  { replaced: /\bof (?:its|their|our) own\b|\bthose (?:that|who)\b|\blet go\b/i, instead: 'the noun, another verb' },
];

const root = join(import.meta.dirname, '../../..');
const SELF = 'test/unit/repository/words.test.ts';
/** Generated, locked or legal text, and the two tests that hold the words. */
const SKIPPED =
  /^(?:gen\/|.*package-lock\.json$|.*LICENSE$|.*\.svg$|CODE_OF_CONDUCT\.md$|test\/unit\/repository\/(?:words|documentation)\.test\.ts$)/;

const files = trackedFiles();

it('the words that were replaced are found in no file, and the field’s words stand in their places', () => {
  expect(files.length).toBeGreaterThan(400);
  const found = files.flatMap((file) => occurrences(file, `${file}\n${readFileSync(join(root, file), 'utf8')}`));
  expect(found).toEqual([]);
});

it.each([
  ['src/planted.ts', '// The door hears whoever comes.', 3],
  ['docs/planted.md', 'A process of its own keeps a position at the floor.', 2],
  ['test/cases/planted.yaml', 'grants: [[door, open]]', 0],
  ['bench/planted.ts', 'const least = Math.floor(1.5);', 0],
  ['test/unit/planted.test.ts', "const user = { userId: 'nobody' };", 0],
  ['packages/planted/src/deaf.ts', '', 1],
])('a replaced word that is planted in %s is found', (file, text, count) => {
  expect(occurrences(file, `${file}\n${text}`)).toHaveLength(count);
});

it('every exception of a word is needed, and its reason is given', () => {
  const unneeded = WORDS.flatMap(({ replaced, allowed = [] }) =>
    allowed
      .filter(
        ([paths]) => !files.some((file) => paths.test(file) && replaced.test(readFileSync(join(root, file), 'utf8'))),
      )
      .map(([paths, reason]) => `${replaced} in ${paths} (${reason})`),
  );
  expect(unneeded).toEqual([]);
});

function occurrences(file: string, text: string): readonly string[] {
  const lines = text.split('\n');
  return WORDS.filter(
    ({ within = /^/, allowed = [] }) => within.test(file) && !allowed.some(([paths]) => paths.test(file)),
  ).flatMap(({ replaced, instead }) =>
    lines.flatMap((line, index) => {
      const word = replaced.exec(line)?.[0];
      return word === undefined ? [] : [`${file}:${index}: "${word}", say: ${instead}`];
    }),
  );
}

function trackedFiles(): readonly string[] {
  const { stdout } = spawnSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  });
  return [...new Set(stdout.split('\n'))].filter(
    (file) => file !== '' && file !== SELF && !SKIPPED.test(file) && existsSync(join(root, file)),
  );
}
