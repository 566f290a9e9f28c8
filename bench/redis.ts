/** The bench's own Redis, emptied and counted between measurements. */
import { Redis } from 'ioredis';

const using = async <Result>(url: string, work: (redis: Redis) => Promise<Result>): Promise<Result> => {
  const redis = new Redis(url);
  try {
    return await work(redis);
  } finally {
    redis.disconnect();
  }
};

export const flushRedis = (url: string): Promise<void> => using(url, async (redis) => void (await redis.flushdb()));

/** How many keys there are. */
export const redisKeys = (url: string): Promise<number> => using(url, (redis) => redis.dbsize());
