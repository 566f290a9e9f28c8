/** Publishes events with NATS's acknowledgement: for the relay, which is a process of its own. */
import { connect, ErrorCode, Events, headers, type MsgHdrs, type NatsConnection, NatsError } from 'nats';
import { withTimeout } from '../with-timeout.ts';
import { serversOf } from './servers.ts';
import { natsTimeout } from './session.ts';
import { localDomainOf, NO_RESPONDERS, openStream } from './stream.ts';

export interface PublisherOptions {
  readonly url: string;
  readonly stream: string;
  readonly prefix: string;
  /** `stream`: JetStream acknowledges each event. `core`: core NATS, which keeps none; its PONG counts. */
  readonly mode: 'stream' | 'core';
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

/**
 * Connects, and makes the stream when there is none.
 * @throws when NATS is away, or, in `stream` mode, has no JetStream or a stream that does not take the contract's subjects.
 */
export async function openPublisher(options: PublisherOptions): Promise<Publisher> {
  const connection = await connect({
    ...serversOf(options.url),
    name: 'assent-relay',
    reconnect: false,
    timeout: 2_000,
    pingInterval: 2_000,
    maxPingOut: 2,
  });
  try {
    const publish = options.mode === 'core' ? toCore(connection, options) : await toStream(connection, options);
    return { publish, gone: connection.closed(), close: () => connection.close() };
  } catch (error) {
    await connection.close();
    // An error that JetStream answered with may have the same code.
    const silent = error instanceof NatsError && error.code === ErrorCode.NoResponders && error.api_error === undefined;
    throw silent ? new Error(NO_RESPONDERS) : error;
  }
}

async function toStream(connection: NatsConnection, options: PublisherOptions): Promise<Publisher['publish']> {
  const { stream, prefix, domain, ackTimeoutMs } = options;
  const api = { timeout: ackTimeoutMs, ...(domain === null ? {} : { domain }) };
  const manager = await connection.jetstreamManager({ ...api, checkAPI: false });
  await openStream(manager, { ...options, localDomain: localDomainOf(connection) });
  const js = connection.jetstream(api);
  return async (events) => {
    const results = await Promise.allSettled(
      events.map(async (event) =>
        js.publish(`${prefix}.${event.name}`, payloadOf(event), {
          headers: headersOf(event),
          expect: { streamName: stream },
        }),
      ),
    );
    const failed = results.find((result) => result.status === 'rejected');
    return { acknowledged: results.map(({ status }) => status === 'fulfilled'), fault: failed?.reason };
  };
}

function toCore(connection: NatsConnection, { prefix, ackTimeoutMs }: PublisherOptions): Publisher['publish'] {
  const stop = new AbortController();
  void connection.closed().then((error) => stop.abort(error ?? new Error('the connection to NATS was closed')));
  // A publish that the server refuses is no error of that call: the server says so beside it, before its PONG.
  void (async () => {
    for await (const { type, permissionContext } of connection.status()) {
      if (type !== Events.Error || permissionContext?.operation !== 'publish') continue;
      stop.abort(new Error(`NATS refuses to publish to "${permissionContext.subject}": permissions violation`));
    }
  })();
  return async (events) => {
    try {
      for (const event of events) {
        connection.publish(`${prefix}.${event.name}`, payloadOf(event), { headers: headersOf(event) });
      }
      await withTimeout(ackTimeoutMs, connection.flush(), natsTimeout, stop.signal);
      await new Promise((resolve) => setImmediate(resolve));
      stop.signal.throwIfAborted();
      return { acknowledged: events.map(() => true), fault: undefined };
    } catch (fault) {
      return { acknowledged: events.map(() => false), fault };
    }
  };
}

function headersOf({ id }: OutgoingEvent): MsgHdrs {
  const own = headers();
  own.set('Nats-Msg-Id', id);
  return own;
}

function payloadOf({ id, occurredAt, userId, organizationId }: OutgoingEvent): string {
  return JSON.stringify({
    id,
    occurredAt,
    ...(userId === null ? {} : { userId }),
    ...(organizationId === null ? {} : { organizationId }),
  });
}
