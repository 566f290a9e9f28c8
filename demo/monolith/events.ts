/** Tells Assent what changed: docs/events.md is the contract. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { connect, type JetStreamClient, type NatsConnection, nanos, RetentionPolicy, StorageType } from 'nats';

/** A change that makes cached facts stale; the name is the subject without its prefix. */
export type Change =
  | {
      readonly name: 'member.added' | 'member.removed' | 'member.role_changed';
      readonly userId: string;
      readonly organizationId: string;
    }
  | { readonly name: 'user.updated' | 'user.deleted'; readonly userId: string }
  | {
      readonly name: 'organization.updated' | 'organization.deleted' | 'organization_role.changed';
      readonly organizationId: string;
    }
  | { readonly name: 'resync' };

export interface PublisherOptions {
  readonly natsUrl: string;
  /** The JetStream stream, created when missing. */
  readonly stream: string;
  /** What the subjects are under. */
  readonly prefix: string;
}

export interface EventPublisher {
  /**
   * Call it after the commit. Resolves when JetStream has acknowledged the event, or after a second without that; the
   * event is then tried again until it is acknowledged. Never rejects: the change is made, and a request must not fail
   * because somebody could not be told of it.
   */
  publish(change: Change): Promise<void>;
  /** Gives what waits a second to go out, and closes the connection. */
  close(): Promise<void>;
}

const PATIENCE_MS = 1_000;
const MAX_RETRY_MS = 2_000;
/** Longer than the longest time that Assent's caches can hold facts by default. */
const MAX_AGE_MS = 15 * 60_000;

const openStream = async (connection: NatsConnection, name: string, prefix: string): Promise<JetStreamClient> => {
  const manager = await connection.jetstreamManager({ timeout: PATIENCE_MS });
  await manager.streams.info(name).catch(async () => {
    const config = {
      name,
      subjects: [`${prefix}.>`],
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      max_age: nanos(MAX_AGE_MS),
    };
    // When this fails because somebody else was faster, the stream is there; any other reason shows in the publish.
    await manager.streams.add(config).catch(() => {});
  });
  return connection.jetstream({ timeout: PATIENCE_MS });
};

/**
 * Creates a publisher; it connects at the first event. What is not yet acknowledged is kept in memory only and is lost
 * with the process: an application that cannot accept that writes events to an outbox table in the transaction of the
 * change.
 */
export const createPublisher = ({ natsUrl, stream, prefix }: PublisherOptions): EventPublisher => {
  const closing = new AbortController();
  const waiting = new Set<Promise<void>>();
  let connecting: Promise<NatsConnection> | null = null;
  let opening: Promise<JetStreamClient> | null = null;

  const connected = (): Promise<NatsConnection> => {
    connecting ??= connect({ servers: natsUrl.split(','), name: 'demo-monolith', maxReconnectAttempts: -1 }).catch(
      (error: unknown) => {
        connecting = null;
        throw error;
      },
    );
    return connecting;
  };

  const deliver = async (change: Change): Promise<void> => {
    const { name, ...ids } = change;
    // The same id at every attempt, so that an event whose acknowledgement was lost is not stored twice.
    const id = randomUUID();
    const payload = JSON.stringify({ id, occurredAt: new Date().toISOString(), ...ids });
    for (let wait = 50; !closing.signal.aborted; wait = Math.min(2 * wait, MAX_RETRY_MS)) {
      try {
        const connection = await connected();
        opening ??= openStream(connection, stream, prefix);
        const jetstream = await opening;
        await jetstream.publish(`${prefix}.${name}`, payload, { msgID: id, expect: { streamName: stream } });
        return;
      } catch {
        // The stream may be what is missing: look again.
        opening = null;
        await delay(wait, undefined, { signal: closing.signal }).catch(() => {});
      }
    }
  };

  return {
    publish: async (change) => {
      const delivery = deliver(change);
      waiting.add(delivery);
      void delivery.finally(() => waiting.delete(delivery));
      await Promise.race([delivery, delay(PATIENCE_MS, undefined, { ref: false })]);
    },
    close: async () => {
      await Promise.race([Promise.all(waiting), delay(PATIENCE_MS, undefined, { ref: false })]);
      closing.abort();
      const connection = await connecting?.catch(() => null);
      await connection?.close();
    },
  };
};
