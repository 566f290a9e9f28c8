/** One connection to NATS, as the plugin uses it. */
import { openPublishConnection, type PublishConnection, type PublishTarget } from '@assent/event-contract';

/** How long NATS may take to acknowledge an event, in milliseconds. */
const ACK_TIMEOUT_MS = 5_000;
/** Twice the longest time that Assent can be told to keep facts (an hour), so that a new stream suits every setting. */
const MAX_AGE_MS = 7_320_000;

/**
 * Connects, and creates the stream when there is none. The connection does not keep its process alive.
 * @throws when NATS cannot be reached in time, or, in `stream` mode, has no JetStream or a stream that cannot be used.
 */
export function openSession(target: PublishTarget): Promise<PublishConnection> {
  const { url, stream, prefix, mode, domain } = target;
  return openPublishConnection({
    ...{ url, stream, prefix, mode, domain },
    name: 'assent-better-auth',
    maxAgeMs: MAX_AGE_MS,
    ackTimeoutMs: ACK_TIMEOUT_MS,
    background: true,
  });
}
