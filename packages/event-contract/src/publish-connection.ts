/** One connection of a publisher to NATS, for as long as it lasts. */
import { connect, ErrorCode, Events, headers, type NatsConnection, NatsError } from 'nats';
import { connectionOptions, type NatsTarget, NO_RESPONDERS, serverDomain } from './nats.ts';
import { openStream } from './stream.ts';
import type { EventMessage } from './subjects.ts';

/** Where events go. */
export interface PublishTarget extends NatsTarget {
  readonly stream: string;
  readonly prefix: string;
  /** `stream`: JetStream acknowledges each event. `core`: core NATS keeps none, and the server's PONG counts. */
  readonly mode: 'stream' | 'core';
  /** The JetStream domain of the stream; null for the one that the server answers for. */
  readonly domain: string | null;
}

export interface PublishOptions extends PublishTarget {
  /** The name of the connection in the monitoring of NATS. */
  readonly name: string;
  /** How long a stream that has to be created keeps messages, in milliseconds. */
  readonly maxAgeMs: number;
  /** How long an acknowledgement may take, in milliseconds. */
  readonly ackTimeoutMs: number;
  /**
   * Whether a process that has nothing else to do may end. The client then sends no PING by itself, and the caller has to
   * check that the connection is alive ({@link PublishConnection.answers}).
   */
  readonly background: boolean;
}

/** Where the stream keeps an event: the acknowledgement. */
export interface Published {
  readonly stream: string;
  readonly sequence: number;
}

export interface PublishConnection {
  /**
   * Sends a message at once, in the order of the calls. Resolves when NATS has it, and rejects when that is not known.
   * @returns Where the stream keeps it; null on core NATS.
   */
  publish(message: EventMessage): Promise<Published | null>;
  /** Whether the server answers a PING within `boundMs`. */
  answers(boundMs: number): Promise<boolean>;
  /** Resolves when the connection has ended, with the error if there is one. */
  readonly ended: Promise<unknown>;
  close(): Promise<void>;
}

const PING_MS = 2_000;

/**
 * Connects, and creates the stream when there is none.
 * @throws when NATS is away, or, in `stream` mode, has no JetStream or a stream that does not take the contract's subjects.
 */
export async function openPublishConnection(options: PublishOptions): Promise<PublishConnection> {
  const connection = await connect({
    ...(await connectionOptions(options)),
    name: options.name,
    ...(options.background ? {} : { pingInterval: PING_MS, maxPingOut: 2 }),
  });
  try {
    const publish =
      options.mode === 'core' ? toCore(connection, options.ackTimeoutMs) : await toStream(connection, options);
    if (options.background) runInBackground(connection);
    return {
      publish,
      answers: (boundMs) => pong(connection, boundMs),
      ended: connection.closed(),
      close: () => connection.close(),
    };
  } catch (error) {
    await connection.close();
    // An error that JetStream answered with may have the same code.
    const silent = error instanceof NatsError && error.code === ErrorCode.NoResponders && error.api_error === undefined;
    throw silent ? new Error(NO_RESPONDERS) : error;
  }
}

async function toStream(connection: NatsConnection, options: PublishOptions): Promise<PublishConnection['publish']> {
  const { stream, domain, ackTimeoutMs } = options;
  const api = { timeout: ackTimeoutMs, ...(domain === null ? {} : { domain }) };
  // `checkAPI` would ask for the account first, which is one more round trip and one more permission.
  const manager = await connection.jetstreamManager({ ...api, checkAPI: false });
  await openStream(manager, { ...options, localDomain: serverDomain(connection) });
  const js = connection.jetstream(api);
  return async ({ id, subject, payload }) => {
    const ack = await js.publish(subject, payload, { msgID: id, expect: { streamName: stream } });
    return { stream: ack.stream, sequence: ack.seq };
  };
}

function toCore(connection: NatsConnection, ackTimeoutMs: number): PublishConnection['publish'] {
  const refusal = watchRefusals(connection);
  return async ({ id, subject, payload }) => {
    const header = headers();
    header.set('Nats-Msg-Id', id);
    connection.publish(subject, payload, { headers: header });
    // The PONG follows every message that the server has taken before it.
    if (!(await pong(connection, ackTimeoutMs))) {
      throw new Error(connection.isClosed() ? 'the connection to NATS was closed' : 'NATS did not answer in time');
    }
    const refused = refusal();
    if (refused !== null) throw new Error(`NATS refuses to publish to "${refused}": permissions violation`);
    return null;
  };
}

/**
 * Watches for refused publishes. On core NATS a refusal is no error of the publish: the server reports it separately, before
 * its PONG.
 * @returns Gives the latest refused subject; null when there is none.
 */
function watchRefusals(connection: NatsConnection): () => string | null {
  let refused: string | null = null;
  void (async () => {
    for await (const { type, permissionContext } of connection.status()) {
      if (type === Events.Error && permissionContext?.operation === 'publish') refused = permissionContext.subject;
    }
  })();
  return () => refused;
}

/** Whether a PONG comes in time. `connection.flush()` alone never settles when the connection breaks. */
function pong(connection: NatsConnection, boundMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    // A busy or frozen process reads what has arrived before the answer counts as missing.
    const timer = setTimeout(() => setImmediate(() => resolve(false)), boundMs);
    const settle = (answered: boolean): void => {
      clearTimeout(timer);
      resolve(answered);
    };
    timer.unref();
    connection.flush().then(
      // Errors that the server reported before the PONG are handled first.
      () => setImmediate(() => settle(true)),
      () => settle(false),
    );
    void connection.closed().then(() => settle(false));
  });
}

/**
 * Lets a process end that has nothing else to do. The client has no option for its socket and its timer, so this reaches
 * into its private parts. If another version names them differently, a script stays until the connection is closed, and
 * nothing else changes.
 */
function runInBackground(connection: NatsConnection): void {
  const protocol = part(connection, 'protocol');
  call(part(protocol, 'heartbeats'), 'cancel');
  call(part(part(protocol, 'transport'), 'socket'), 'unref');
}

function part(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && name in value ? Reflect.get(value, name) : undefined;
}

function call(value: unknown, name: string): void {
  const method = part(value, name);
  if (typeof method === 'function') method.call(value);
}
