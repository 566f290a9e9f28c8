/** The JetStream stream of events: made when it is missing, looked over when it is there. */
import { type JetStreamManager, NatsError, nanos, RetentionPolicy, StorageType, type StreamInfo } from 'nats';
import { covers, eventNames } from './subjects.ts';

const STREAM_NOT_FOUND = 10059;
const STREAM_NAME_IN_USE = 10058;

const apiCode = (error: unknown): number | undefined =>
  error instanceof NatsError ? error.api_error?.err_code : undefined;

/**
 * The stream's state, after creating it when there is none.
 * @param maxAgeMs How long a new stream keeps messages.
 * @throws when the stream does not take every subject of the contract: events published to it would be lost in silence.
 */
export const openStream = async (
  manager: JetStreamManager,
  name: string,
  prefix: string,
  maxAgeMs: number,
): Promise<StreamInfo> => {
  const info = await manager.streams.info(name).catch(async (error: unknown) => {
    if (apiCode(error) !== STREAM_NOT_FOUND) throw error;
    const config = {
      name,
      subjects: [`${prefix}.>`],
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      max_age: nanos(maxAgeMs),
      duplicate_window: nanos(Math.min(120_000, maxAgeMs)),
    };
    return manager.streams.add(config).catch((failed: unknown) => {
      // Another replica was faster.
      if (apiCode(failed) === STREAM_NAME_IN_USE) return manager.streams.info(name);
      throw failed;
    });
  });
  const missing = eventNames
    .map((event) => `${prefix}.${event}`)
    .filter((subject) => !info.config.subjects.some((pattern) => covers(pattern, subject)));
  if (missing.length > 0) {
    throw new Error(`the stream ${name} does not take ${missing.join(', ')}: add "${prefix}.>" to its subjects`);
  }
  return info;
};
