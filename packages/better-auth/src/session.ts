/** One connection to NATS, for as long as it lasts. */
import {
  connect,
  headers,
  type JetStreamManager,
  type NatsConnection,
  NatsError,
  nanos,
  RetentionPolicy,
  StorageType,
} from 'nats';
import { keepInBackground } from './background.ts';
import { endWithJetStream, hasJetStream } from './jetstream.ts';

export interface SessionOptions {
  /** One or several URLs, separated by commas, with credentials if need be. */
  readonly url: string;
  readonly stream: string;
  readonly prefix: string;
}

/** An event as it is published. */
export interface Message {
  readonly id: string;
  readonly subject: string;
  readonly payload: string;
}

export interface Session {
  /** Whether a stream keeps the events. Without JetStream only those who listen at the moment hear them. */
  readonly stored: boolean;
  /** Resolves when NATS has the message; rejects when that is not known. */
  publish(message: Message): Promise<void>;
  /** Resolves when the connection has ended, whoever ended it. */
  readonly ended: Promise<void>;
  close(): Promise<void>;
}

const TIMEOUT_MS = 2_000;
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

interface NatsServers {
  readonly servers: string[];
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
  /** Present where only TLS will do. */
  readonly tls?: object;
}

/** The client takes addresses and credentials apart; people write them in one URL. */
const serversOf = (urls: string): NatsServers => {
  const parsed = urls.split(',').map((url) => new URL(url.trim()));
  const user = decodeURIComponent(parsed[0]?.username ?? '');
  const pass = decodeURIComponent(parsed[0]?.password ?? '');
  const servers = parsed.map(({ protocol, host }) => `${protocol}//${host}`);
  // The client goes by what the server says, in plain text, and would tell its password to one that has no TLS.
  const tls = parsed.some(({ protocol }) => protocol === 'tls:') ? { tls: {} } : {};
  if (user === '') return { servers, ...tls };
  return pass === '' ? { servers, token: user, ...tls } : { servers, user, pass, ...tls };
};

/** Whether a subject pattern (`*` one token, `>` the rest) covers a subject. */
const takes = (pattern: string, subject: string): boolean => {
  const tokens = subject.split('.');
  const parts = pattern.split('.');
  const rest = parts.indexOf('>');
  if (rest === -1 ? parts.length !== tokens.length : tokens.length <= rest) return false;
  return parts.every((part, index) => (rest !== -1 && index >= rest) || part === '*' || part === tokens[index]);
};

/** The same stream as Assent would create, whichever of the two is first. */
const openStream = async (manager: JetStreamManager, name: string, prefix: string): Promise<void> => {
  const info = await manager.streams.info(name).catch(async (error: unknown) => {
    if (!(error instanceof NatsError) || error.api_error?.err_code !== STREAM_NOT_FOUND) throw error;
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
};

/** As `connection.flush()`, which never settles when the connection breaks off. */
const flush = (connection: NatsConnection): Promise<void> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('NATS did not answer in time')), TIMEOUT_MS);
    connection
      .flush()
      .then(resolve, reject)
      .finally(() => clearTimeout(timer));
  });

/**
 * Connects, and creates the stream when there is none.
 * @throws when NATS cannot be reached in time or its stream cannot be used.
 */
export const openSession = async ({ url, stream, prefix }: SessionOptions): Promise<Session> => {
  const connection = await connect({
    ...serversOf(url),
    name: 'assent-better-auth',
    timeout: TIMEOUT_MS,
    // The client would keep what cannot be sent, without bound, and send it twice: the publisher does that itself.
    reconnect: false,
  });
  try {
    const stored = await hasJetStream(connection);
    if (stored) await openStream(await connection.jetstreamManager({ timeout: TIMEOUT_MS }), stream, prefix);
    else endWithJetStream(connection);
    keepInBackground(connection);
    const jetStream = connection.jetstream({ timeout: TIMEOUT_MS });
    return {
      stored,
      ended: connection.closed().then(() => {}),
      publish: async ({ id, subject, payload }) => {
        if (stored) {
          await jetStream.publish(subject, payload, { msgID: id, expect: { streamName: stream } });
          return;
        }
        const header = headers();
        header.set('Nats-Msg-Id', id);
        connection.publish(subject, payload, { headers: header });
        await flush(connection);
      },
      close: () => connection.close(),
    };
  } catch (error) {
    await connection.close();
    throw error;
  }
};
