import { Redis } from 'ioredis';
import { afterAll, inject } from 'vitest';

/** A numbered Redis database of one test file. */
export interface TestRedis {
  /** With the number, as `redis://127.0.0.1:6379/7`. */
  url: string;
  database: number;
  /** Empties this database; nothing else of the server, which need not be ours. */
  flush(): Promise<void>;
}

const counter = 'assent-test:databases';
const claimSeconds = 3600;

/**
 * An empty database of the run's Redis for the calling test file alone, emptied and given back after its last test.
 * Call it at the top of the file or of a `describe`. Keys of the contract have no prefix, so that files that run at the
 * same time need separate databases.
 */
export async function testRedis(): Promise<TestRedis> {
  const serverUrl = inject('redisUrl');
  const database = await withRedis(serverUrl, claimDatabase);
  const url = new URL(serverUrl);
  url.pathname = `/${database}`;
  const flush = () => withRedis(url.href, async (redis) => void (await redis.flushdb()));
  afterAll(async () => {
    await flush();
    await withRedis(serverUrl, (redis) => redis.del(claimKey(database)));
  });
  return { url: url.href, database, flush };
}

function claimKey(database: number): string {
  return `assent-test:claim:${database}`;
}

/** The server of REDIS_URL can hold the user's data, and another run's tests: only an empty database can be claimed. */
async function claimDatabase(redis: Redis): Promise<number> {
  const [, count] = (await redis.config('GET', 'databases')) as string[];
  const databases = Number(count ?? 16);
  for (let attempt = 1; attempt < databases; attempt += 1) {
    const database = 1 + ((await redis.incr(counter)) % (databases - 1));
    const claimed = await redis.set(claimKey(database), String(process.pid), 'EX', claimSeconds, 'NX');
    if (claimed === 'OK') {
      const results = await redis.multi().select(database).dbsize().select(0).exec();
      if (results?.[1]?.[1] === 0) {
        return database;
      }
      await redis.del(claimKey(database));
    }
  }
  throw new Error(`none of the ${databases} databases of this Redis is free`);
}

async function withRedis<T>(url: string, work: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url, { lazyConnect: true });
  try {
    await redis.connect();
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}
