import { Redis } from 'ioredis';
import { connect } from 'nats';

const answerMs = 3000;

/** Whether a Redis serves at this URL, and lets us in. */
export async function redisAnswers(url: string): Promise<boolean> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: answerMs,
    commandTimeout: answerMs,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
  });
  redis.on('error', () => {});
  try {
    await redis.connect();
    return (await redis.ping()) === 'PONG';
  } catch {
    return false;
  } finally {
    redis.disconnect();
  }
}

/** Whether a NATS server serves at this URL, lets us in, and has JetStream if that is wanted. */
export async function natsAnswers(url: string, jetstream: boolean): Promise<boolean> {
  try {
    const connection = await connect({ servers: url, timeout: answerMs, reconnect: false });
    const capable = !jetstream || connection.info?.jetstream === true;
    await connection.close();
    return capable;
  } catch {
    return false;
  }
}
