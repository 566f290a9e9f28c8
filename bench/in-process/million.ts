/** A million entries in memory: what the process grows by, and how much of that is live. Prints JSON. Needs --expose-gc. */
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { memoryKey } from '../../src/facts/cache-key.ts';
import { createMemoryStore } from '../../src/facts/memory.ts';
import type { Facts } from '../../src/policy/facts.ts';

const ENTRIES = 1_000_000;
const ROLES = ['viewer', 'staff', 'admin', 'owner'];
/** Events come in between: entries do not all have the same revision. */
const ENTRIES_PER_REVISION = 100;
const EPOCH = 'js:BETTERAUTH:2026-01-01T00:00:00.000000000Z';

const id = (text: string): string => createHash('md5').update(text).digest('hex');
const resident = async (): Promise<number> => {
  for (let index = 0; index < 4; index += 1) {
    globalThis.gc?.();
    // Threads of V8 give the pages back a moment later.
    await delay(250);
  }
  return process.memoryUsage.rss();
};
const live = (): number => {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

const before = await resident();
const liveBefore = live();
// What the store takes for all its entries at once counts as well.
const store = createMemoryStore(ENTRIES);
for (let index = 0; index < ENTRIES; index += 1) {
  // Separate objects and texts for each entry, as for rows of the database and values in Redis.
  const revision = { epoch: Buffer.from(EPOCH).toString(), seq: index - (index % ENTRIES_PER_REVISION) };
  const facts: Facts = {
    user: { roles: ['user'], ban: null },
    organization: { status: 'present', memberRoles: [ROLES[index % ROLES.length] ?? ''], dynamicRoles: [] },
  };
  const key = memoryKey(id(`user ${index}`), id(`organization ${index % 100_000}`));
  store.set(key, { facts, revision, readAt: Date.now(), expiresAt: performance.now() + 300_000 });
}
const bytes = (await resident()) - before;
process.stdout.write(`${JSON.stringify({ entries: store.size(), bytes, liveBytes: live() - liveBefore })}\n`);
