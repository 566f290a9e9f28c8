/** Publishes events with JetStream's acknowledgement: for the relay, which is a process of its own. */
import { connect, headers, type NatsConnection } from 'nats';
import { serversOf } from './servers.ts';
import { localDomainOf, openStream } from './stream.ts';

export interface PublisherOptions {
  readonly url: string;
  readonly stream: string;
  readonly prefix: string;
  /** The JetStream domain of the stream; null for the one that the server answers for. */
  readonly domain: string | null;
  /** How long a stream that has to be made keeps messages. */
  readonly maxAgeMs: number;
  /** How long an acknowledgement may take, in milliseconds. */
  readonly ackTimeoutMs: number;
}

/** An event of the contract. */
export interface OutgoingEvent {
  /** Its own, kept when it is published again: JetStream drops what it has already. */
  readonly id: string;
  /** The subject without the prefix. */
  readonly name: string;
  readonly occurredAt: string;
  readonly userId: string | null;
  readonly organizationId: string | null;
}

export interface Publisher {
  /**
   * Publishes in this order, without waiting for one before the next.
   * @returns Which of them are acknowledged, and the first fault.
   */
  publish(
    events: readonly OutgoingEvent[],
  ): Promise<{ readonly acknowledged: readonly boolean[]; readonly fault: unknown }>;
  /** Settles when the connection is gone. */
  readonly gone: Promise<unknown>;
  close(): Promise<void>;
}

const payloadOf = ({ id, occurredAt, userId, organizationId }: OutgoingEvent): string =>
  JSON.stringify({
    id,
    occurredAt,
    ...(userId === null ? {} : { userId }),
    ...(organizationId === null ? {} : { organizationId }),
  });

/**
 * Connects, and makes the stream when there is none.
 * @throws when NATS is away, has no JetStream, or the stream does not take the contract's subjects.
 */
export const openPublisher = async (options: PublisherOptions): Promise<Publisher> => {
  const { url, ackTimeoutMs, ...where } = options;
  const { stream, prefix, domain } = where;
  const connection: NatsConnection = await connect({
    ...serversOf(url),
    name: 'assent-relay',
    reconnect: false,
    timeout: 2_000,
    pingInterval: 2_000,
    maxPingOut: 2,
  });
  const api = domain === null ? {} : { domain };
  try {
    const manager = await connection.jetstreamManager({ timeout: ackTimeoutMs, ...api });
    await openStream(manager, { ...where, localDomain: localDomainOf(connection) });
  } catch (error) {
    await connection.close();
    throw error;
  }
  const js = connection.jetstream({ timeout: ackTimeoutMs, ...api });
  return {
    publish: async (events) => {
      const results = await Promise.allSettled(
        events.map(async (event) => {
          const own = headers();
          own.set('Nats-Msg-Id', event.id);
          return js.publish(`${prefix}.${event.name}`, payloadOf(event), {
            headers: own,
            expect: { streamName: stream },
          });
        }),
      );
      const failed = results.find((result) => result.status === 'rejected');
      return { acknowledged: results.map(({ status }) => status === 'fulfilled'), fault: failed?.reason };
    },
    gone: connection.closed(),
    close: () => connection.close(),
  };
};
