/** The baseline of a hit in Redis: bare grpc-js that does one GET for each call. Its argument is Redis' URL. */
import { Redis } from 'ioredis';
import { redisKey } from '../../src/facts/cache-key.ts';
import { answer } from './answer.ts';
import { serve } from './grpc-service.ts';

const redis = new Redis(process.argv[2] ?? '');

serve(({ request: { subject, scope } }, callback) => {
  const userId = subject.case === 'userId' ? subject.value : '';
  const organizationId = scope.case === 'organizationId' ? scope.value : '';
  redis.get(redisKey({ userId, organizationId })).then(
    (value) => (value === null ? callback(new Error('no such key')) : callback(null, answer())),
    (error: Error) => callback(error),
  );
});
