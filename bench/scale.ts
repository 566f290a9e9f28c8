/**
 * `--scale`: what the size of the data costs. The same reads from a small and a large population, in turn, by the
 * service's own directory and without a server, whose share would hide a difference.
 */
import { createApplication } from '../demo/application/server.ts';
import type { Directory } from '../src/database/directory.ts';
import { directoryOf } from '../tools/assent/directory.ts';
import { grantLeastPrivilege } from '../tools/assent/least-privilege.ts';
import { createDatabase, startPostgres, withClient } from '../tools/local-services/index.ts';
import { cpuMicros } from './cpu.ts';
import { generate, joinMany, membershipOrganization, organizationId, type Population, userId } from './generate.ts';
import { median, spread } from './numbers.ts';
import { layout, micros, percent } from './table.ts';

const SMALL: Population = { users: 1_000, organizations: 100, membershipsPerUser: 3 };
const LARGE: Population = { users: 1_000_000, organizations: 100_000, membershipsPerUser: 3 };
/** The user with page 100 of ListUserOrganizations. */
const JOINER = 7;
const PAGE_SIZE = 50;
const PAGES = 101;
const ROUNDS = 5;
const READS = 1_000;
/** Between two of the members that are asked about, so that neighbours on the disk are not asked in a row. */
const STRIDE = 7_919;

interface Filled {
  readonly directory: Directory;
  /** Of the directory's one connection to PostgreSQL. */
  readonly backend: number;
  readonly ownerUrl: string;
}

const fill = async (serverUrl: string, population: Population, stack: AsyncDisposableStack): Promise<Filled> => {
  const ownerUrl = await createDatabase(serverUrl, `scale_${population.users}`);
  const application = await createApplication({ databaseUrl: ownerUrl, secret: 'x'.repeat(32), natsUrl: null });
  await application.migrate();
  await application.stop();
  await generate(ownerUrl, population);
  const directory = directoryOf(await grantLeastPrivilege(ownerUrl), { statementTimeoutMs: 10_000 });
  stack.defer(() => directory.end());
  await directory.schema();
  const pids = await withClient(ownerUrl, (client) =>
    client.query<{ pid: number }>(
      "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
    ),
  );
  const [only, ...others] = pids.rows;
  if (only === undefined || others.length > 0) throw new Error('expected one connection of the directory');
  return { directory, backend: only.pid, ownerUrl };
};

interface Cost {
  /** Median of single reads, one after the other. */
  readonly micros: number;
  /** Of this process and of PostgreSQL's, for one read. */
  readonly cpu: number;
}

const measure = async (
  { backend }: Filled,
  reads: number,
  read: (index: number) => Promise<unknown>,
): Promise<Cost> => {
  const pids = [process.pid, backend];
  const times: number[] = [];
  const before = cpuMicros(pids);
  for (let index = 0; index < reads; index += 1) {
    const began = performance.now();
    await read(index);
    times.push((performance.now() - began) * 1_000);
  }
  return { micros: median(times), cpu: (cpuMicros(pids) - before) / reads };
};

/** Reads of members' facts, each another one. */
const missOf = ({ directory }: Filled, population: Population) => {
  let next = 0;
  return async (): Promise<void> => {
    next = (next + STRIDE) % population.users;
    const key = {
      userId: userId(next),
      organizationId: organizationId(membershipOrganization(population, next, next % population.membershipsPerUser)),
    };
    const { organization } = await directory.facts(key);
    if (organization?.memberRoles?.length !== 1) throw new Error('a member was not found');
  };
};

/** The last organization of each page. */
const pageKeys = async ({ directory }: Filled): Promise<readonly (string | null)[]> => {
  const keys: (string | null)[] = [null];
  while (keys.length < PAGES) {
    const page = await directory.memberships({ userId: userId(JOINER), after: keys.at(-1) ?? null, limit: PAGE_SIZE });
    keys.push(page.at(-1)?.organization.id ?? null);
  }
  return keys;
};

const line = (name: string, costs: readonly Cost[]): readonly string[] => [
  name,
  micros(median(costs.map((cost) => cost.micros))),
  micros(median(costs.map((cost) => cost.cpu))),
  percent(spread(costs.map((cost) => cost.micros))),
];

/** Ratio of medians over the rounds, of the CPU: on a machine that does other things it holds where times do not. */
const ratio = (more: readonly Cost[], less: readonly Cost[]): string =>
  (median(more.map(({ cpu }) => cpu)) / median(less.map(({ cpu }) => cpu))).toFixed(2);

/** Fills, measures, and returns the table. */
export const measureScale = async (stack: AsyncDisposableStack, say: (line: string) => void): Promise<string> => {
  // What a server for so much data is given: PostgreSQL's own 128 MB would measure the kernel's cache.
  const { url, stop } = await startPostgres({ settings: { shared_buffers: '1GB' } });
  stack.defer(stop);
  say(`filling ${SMALL.users} users`);
  const small = await fill(url, SMALL, stack);
  say(
    `filling ${LARGE.users} users, ${LARGE.organizations} organizations, ${LARGE.users * LARGE.membershipsPerUser} members`,
  );
  const large = await fill(url, LARGE, stack);
  await joinMany(large.ownerUrl, userId(JOINER), PAGES * PAGE_SIZE);
  const keys = await pageKeys(large);
  const page = (number: number) => () =>
    large.directory.memberships({ userId: userId(JOINER), after: keys[number - 1] ?? null, limit: PAGE_SIZE });
  const misses = { small: missOf(small, SMALL), large: missOf(large, LARGE) };
  const rows: [string, Filled, number, () => Promise<unknown>][] = [
    ['a miss, 1 thousand users', small, READS, misses.small],
    ['a miss, 1 million users', large, READS, misses.large],
    ['a page of 50, page 1', large, 100, page(1)],
    ['a page of 50, page 100', large, 100, page(100)],
  ];
  const run = async (title: string): Promise<string> => {
    const costs = rows.map((): Cost[] => []);
    // One round more than counts: the first fills the caches of PostgreSQL.
    for (let round = 0; round <= ROUNDS; round += 1) {
      say(`${title}: round ${round}/${ROUNDS}`);
      for (const [index, [, filled, reads, read]] of rows.entries()) {
        const cost = await measure(filled, reads, read);
        if (round > 0) costs[index]?.push(cost);
      }
    }
    const [smallMiss = [], largeMiss = [], first = [], hundredth = []] = costs;
    return [
      title,
      layout([['', 'us', 'CPU us', 'spread'], ...rows.map(([name], index) => line(name, costs[index] ?? []))]),
      `1 million users / 1 thousand, CPU of a miss: ${ratio(largeMiss, smallMiss)} (wanted: at most 1.3)`,
      `page 100 / page 1, CPU: ${ratio(hundredth, first)}`,
    ].join('\n');
  };
  const plain = await run("with Better Auth's own indexes");
  await withClient(large.ownerUrl, (client) => client.query('CREATE INDEX ON members ("userId", "organizationId")'));
  return `${plain}\n\n${await run('with an index on members ("userId", "organizationId") as well')}\n`;
};
