import { randomBytes } from 'node:crypto';
import { connect } from 'nats';
import { afterAll, inject } from 'vitest';

/** A JetStream stream's name and the prefix of its subjects, for one test file. */
export interface TestStream {
  /** For `NATS_STREAM`. */
  stream: string;
  /** For `ASSENT_EVENTS_PREFIX`; subjects are `prefix.member.added` and so on. */
  prefix: string;
}

/** Unique names; nothing is created. */
export function testStreamName(): TestStream {
  const id = randomBytes(6).toString('hex');
  return { stream: `TEST_${id.toUpperCase()}`, prefix: `test_${id}` };
}

/**
 * The run's NATS server, and names of the calling test file's own. A stream of that name is deleted after the file's
 * last test. Call it at the top of the file or of a `describe`.
 */
export async function testNats(): Promise<TestStream & { url: string }> {
  const url = inject('natsUrl');
  const names = testStreamName();
  afterAll(async () => {
    const connection = await connect({ servers: url });
    const manager = await connection.jetstreamManager();
    // It does not exist unless a test created it.
    await manager.streams.delete(names.stream).catch(() => {});
    await connection.close();
  });
  return { url, ...names };
}
