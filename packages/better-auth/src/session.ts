/** One connection to NATS, for as long as it lasts. */
import {
  connect,
  ErrorCode,
  Events,
  headers,
  type JetStreamManager,
  type NatsConnection,
  NatsError,
  nanos,
  RetentionPolicy,
  StorageType,
} from 'nats';

/** Where events go. */
export interface Target {
  /** One or several URLs, separated by commas, with credentials if need be. */
  readonly url: string;
  readonly stream: string;
  readonly prefix: string;
  /** `stream`: JetStream, and nothing else counts as delivered. `core`: core NATS, which keeps nothing. */
  readonly mode: 'stream' | 'core';
  /** The domain of JetStream; null: that of the server. */
  readonly domain: string | null;
}

/** An event as it is published. */
export interface Message {
  readonly id: string;
  readonly subject: string;
  readonly payload: string;
}

/** Where an event is in the stream: a publisher's acknowledgement. */
export interface Published {
  readonly stream: string;
  readonly sequence: number;
}

export interface Session {
  /**
   * Resolves when NATS has the message; rejects when that is not known.
   * @returns Where the stream keeps it; null on core NATS.
   */
  publish(message: Message): Promise<Published | null>;
  /** Whether the server answers a PING within `boundMs`. */
  answers(boundMs: number): Promise<boolean>;
  /** Resolves when the connection has ended, for whatever reason. */
  readonly ended: Promise<void>;
  close(): Promise<void>;
}

const CONNECT_TIMEOUT_MS = 2_000;
const ANSWER_TIMEOUT_MS = 5_000;
const STREAM_NOT_FOUND = 10059;
/** Twice the longest time that Assent can be told to hold facts (an hour), so that it suits every setting. */
const MAX_AGE_MS = 7_320_000;
const DUPLICATE_WINDOW_MS = 120_000;

const EVENTS = [
  'member.added',
  'member.removed',
  'member.role_changed',
  'user.updated',
  'user.deleted',
  'organization.updated',
  'organization.deleted',
  'organization_role.changed',
  'resync',
];

/**
 * Connects, and creates the stream when there is none. The connection does not keep its process alive.
 * @throws when NATS cannot be reached in time, or, in `stream` mode, has no JetStream or a stream that cannot be used.
 */
export async function openSession({ url, stream, prefix, mode, domain }: Target): Promise<Session> {
  const connection = await connect({
    ...serversOf(url),
    name: 'assent-better-auth',
    timeout: CONNECT_TIMEOUT_MS,
    // The client would keep what cannot be sent, without bound, and send it twice: the publisher does that itself.
    reconnect: false,
  });
  const jetStreamOptions = { timeout: ANSWER_TIMEOUT_MS, ...(domain === null ? {} : { domain }) };
  try {
    if (mode === 'stream') {
      // Without the client's own look at the account, which is one more round trip.
      const manager = await connection.jetstreamManager({ ...jetStreamOptions, checkAPI: false });
      const own = domain === null ? (connection.info as { readonly domain?: string } | undefined)?.domain : undefined;
      await openStream(manager, stream, prefix, own);
    }
  } catch (error) {
    await connection.close();
    throw error;
  }
  runInBackground(connection);
  const jetStream = connection.jetstream(jetStreamOptions);
  const refusal = mode === 'core' ? refusalsOf(connection) : () => null;
  return {
    ended: connection.closed().then(() => {}),
    publish: async ({ id, subject, payload }) => {
      if (mode === 'stream') {
        const ack = await jetStream.publish(subject, payload, { msgID: id, expect: { streamName: stream } });
        return { stream: ack.stream, sequence: ack.seq };
      }
      const header = headers();
      header.set('Nats-Msg-Id', id);
      connection.publish(subject, payload, { headers: header });
      if (!(await pong(connection, ANSWER_TIMEOUT_MS))) throw new Error('NATS did not answer in time');
      const refused = refusal();
      if (refused !== null) throw new Error(`NATS refuses to publish to "${refused}": permissions violation`);
      return null;
    },
    answers: (boundMs) => pong(connection, boundMs),
    close: () => connection.close(),
  };
}

/**
 * What the server has refused to publish: on core NATS it says so beside the publish, before its PONG.
 * @returns The latest refused subject; null when there is none.
 */
function refusalsOf(connection: NatsConnection): () => string | null {
  let refused: string | null = null;
  void (async () => {
    for await (const { type, permissionContext } of connection.status()) {
      if (type === Events.Error && permissionContext?.operation === 'publish') refused = permissionContext.subject;
    }
  })();
  return () => refused;
}

/** Whether a PONG comes in time. `connection.flush()` by itself never settles when the connection breaks off. */
function pong(connection: NatsConnection, boundMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    // What arrived while the process was busy or frozen is read before the answer counts as missing.
    const timer = setTimeout(() => setImmediate(() => resolve(false)), boundMs);
    const settle = (answered: boolean): void => {
      clearTimeout(timer);
      resolve(answered);
    };
    timer.unref();
    connection.flush().then(
      // What the server said before it is handled first.
      () => setImmediate(() => settle(true)),
      () => settle(false),
    );
    void connection.closed().then(() => settle(false));
  });
}

/**
 * Lets a script end that has nothing else to do. The client has no option for its socket and its timer, so its parts are
 * reached for; were they elsewhere in another version, a script would stay until the connection is closed, and nothing
 * else would change. The publisher keeps the process alive while events wait, and looks whether the connection is alive.
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

interface NatsServers {
  readonly servers: string[];
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
  /** Present where only TLS will do. */
  readonly tls?: object;
}

/** The client takes addresses and credentials apart; people write them in one URL. */
function serversOf(urls: string): NatsServers {
  const parsed = urls.split(',').map((url) => new URL(url.trim()));
  const user = decodeURIComponent(parsed[0]?.username ?? '');
  const pass = decodeURIComponent(parsed[0]?.password ?? '');
  const servers = parsed.map(({ protocol, host }) => `${protocol}//${host}`);
  // The client goes by what the server says, in plain text, and would tell its password to one that has no TLS.
  const tls = parsed.some(({ protocol }) => protocol === 'tls:') ? { tls: {} } : {};
  if (user === '') return { servers, ...tls };
  return pass === '' ? { servers, token: user, ...tls } : { servers, user, pass, ...tls };
}

/** Whether a subject pattern (`*` one token, `>` the rest) covers a subject. */
function takes(pattern: string, subject: string): boolean {
  const tokens = subject.split('.');
  const parts = pattern.split('.');
  const rest = parts.indexOf('>');
  if (rest === -1 ? parts.length !== tokens.length : tokens.length <= rest) return false;
  return parts.every((part, index) => (rest !== -1 && index >= rest) || part === '*' || part === tokens[index]);
}

/**
 * The same stream as Assent would create, whichever of the two is first.
 * @param unnamed The server's own domain where the options name none: a leaf node with a JetStream of its own would keep,
 * and acknowledge, a stream that Assent does not read. It is not created there.
 */
async function openStream(
  manager: JetStreamManager,
  name: string,
  prefix: string,
  unnamed: string | undefined,
): Promise<void> {
  const info = await manager.streams.info(name).catch(async (error: unknown) => {
    // Also what a server answers that has lost its way to JetStream: it is no reason to publish without it.
    if (error instanceof NatsError && error.code === ErrorCode.NoResponders && error.api_error === undefined) {
      throw new Error('no JetStream answers through this NATS server or account, or not in this domain');
    }
    if (!(error instanceof NatsError) || error.api_error?.err_code !== STREAM_NOT_FOUND) throw error;
    if (unnamed !== undefined) {
      throw new Error(`there is no stream ${name} in JetStream's domain ${unnamed}: set the option domain`);
    }
    const config = {
      name,
      subjects: [`${prefix}.>`],
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      max_age: nanos(MAX_AGE_MS),
      duplicate_window: nanos(DUPLICATE_WINDOW_MS),
    };
    // When this fails since somebody else was faster, with settings of their own, the stream is there.
    return manager.streams.add(config).catch(() => manager.streams.info(name));
  });
  const missing = EVENTS.map((event) => `${prefix}.${event}`).filter(
    (subject) => !info.config.subjects.some((pattern) => takes(pattern, subject)),
  );
  if (missing.length > 0) {
    throw new Error(`the stream ${name} does not take ${missing.join(', ')}: add "${prefix}.>" to its subjects`);
  }
}
