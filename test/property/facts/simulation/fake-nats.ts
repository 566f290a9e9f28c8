/**
 * NATS with one JetStream stream, or core NATS, in place of the client library's `connect`. The schedule
 * decides how long each step takes. Messages to one consumer keep their order, as on a connection.
 */
import { DeliverPolicy, ErrorCode, NatsError } from 'nats';
import { z } from 'zod';
import { nanosecondsOf } from '../../../../src/invalidation/jetstream.ts';

/** Waits until the schedule picks this step. */
export type Step = (label: string) => Promise<void>;

interface Message<Event> {
  readonly seq: number;
  readonly subject: string;
  readonly data: Uint8Array;
  /** When the stream took it, in nanoseconds since the epoch; no two are the same. */
  readonly time: bigint;
  readonly event: Event;
}
/** All messages that a stream took, by number, also messages that are gone. A stream that lost its newest ones starts another log. */
export type Log<Event> = ReadonlyMap<number, Event>;

interface Stream<Event> {
  readonly name: string;
  readonly created: string;
  log: Map<number, Event>;
  firstSeq: number;
  lastSeq: number;
  readonly times: Map<number, bigint>;
  readonly messages: Map<number, Message<Event>>;
}
type Callback = (error: null, message: unknown) => void;
interface Connection<Event> {
  readonly name: string;
  open: boolean;
  /** Half-open: nothing arrives any more in either direction, and neither side is notified. */
  stalled: boolean;
  /** Messages that the network will lose. */
  toLose: number;
  log: Log<Event>;
  /** The order of messages from core NATS. */
  arriving: Promise<void>;
  readonly callbacks: Map<string, Callback>;
  readonly closed: PromiseWithResolvers<void>;
}
interface Consumer<Event> {
  readonly connection: Connection<Event>;
  readonly deliverTo: string;
  readonly log: Log<Event>;
  next: number;
  sent: number;
  sending: boolean;
  arriving: Promise<void>;
}

const consumerSchema = z.object({
  deliver_subject: z.string(),
  deliver_policy: z.enum(DeliverPolicy),
  opt_start_seq: z.number().optional(),
  opt_start_time: z.string().optional(),
});
/** The server's form of a moment, with nanoseconds. */
const moment = (ns: bigint): string =>
  `${new Date(Number(ns / 1_000_000n)).toISOString().slice(0, -1)}${String(ns % 1_000_000n).padStart(6, '0')}Z`;
const never = <T>(): Promise<T> => new Promise(() => {});

const notFound = (): NatsError => {
  const error = new NatsError('stream not found', '404');
  error.api_error = { code: 404, err_code: 10059, description: 'stream not found' };
  return error;
};

export interface FakeNats<Event> {
  /** Replaces the library's function; the host of the URL names the client. */
  connect(options: unknown): Promise<unknown>;
  /** The event whose message is being handed to a client right now. */
  delivering(): Event | null;
  /** The log of the stream on which the client last made a consumer. */
  logOf(client: string): Log<Event>;
  /** Takes a message at once. Returns its number, 0 for core NATS, null when there is no stream. */
  publish(subject: string, data: Uint8Array, event: Event): number | null;
  /**
   * A client's server loses its route to the stream, or finds it again. It goes on answering pings, requests to JetStream
   * have no responders, and no message is delivered.
   */
  isolate(client: string, isolated: boolean): void;
  /** A fault of a client's connection; false when it has no connection, or no consumer. */
  cut(client: string): boolean;
  stall(client: string): boolean;
  loseMessage(client: string): boolean;
  loseConsumer(client: string): boolean;
  /** All messages are gone; numbers go on. */
  purge(): void;
  /** The oldest message is gone. */
  expire(): void;
  /** One of the newest messages is gone: the last for 1, the one before it for 2. Numbers go on. */
  remove(fromTheEnd: number): void;
  deleteStream(): void;
  /**
   * The server restarts without its newest messages, and uses their numbers again. Returns the lost events.
   * @param connected Whether the clients stay connected, to other servers: only the consumers are gone.
   */
  rollBack(messages: number, connected: boolean): readonly Event[];
  /** Resolves when there is a stream. */
  streamExists(): Promise<void>;
}

/** @param core Whether there is core NATS only. */
export const createFakeNats = <Event>(step: Step, now: () => number, core: boolean): FakeNats<Event> => {
  const isolated = new Set<string>();
  let stream: Stream<Event> | null = null;
  let streams = 0;
  let taken = 0n;
  let delivering: Event | null = null;
  const connections = new Set<Connection<Event>>();
  const latest = new Map<string, Connection<Event>>();
  const consumers = new Set<Consumer<Event>>();
  let existence = Promise.withResolvers<void>();

  const close = (connection: Connection<Event>): void => {
    connection.open = false;
    connections.delete(connection);
    for (const consumer of consumers) if (consumer.connection === connection) consumers.delete(consumer);
    connection.closed.resolve();
  };

  const describe = (of: Stream<Event>) => ({
    config: { name: of.name, subjects: ['events.>'] },
    created: of.created,
    ts: new Date(now()).toISOString(),
    state: {
      first_seq: of.firstSeq,
      last_seq: of.lastSeq,
      last_ts: moment(of.times.get(of.lastSeq) ?? 0n),
      messages: of.messages.size,
    },
  });

  const arrive = (consumer: Consumer<Event>, message: Message<Event>, consumerSeq: number): void => {
    const { connection } = consumer;
    if (!connection.open || connection.stalled || isolated.has(connection.name)) return;
    if (connection.toLose > 0) {
      connection.toLose -= 1;
      return;
    }
    delivering = message.event;
    connection.callbacks.get(consumer.deliverTo)?.(null, {
      subject: message.subject,
      data: message.data,
      reply: `$JS.ACK.${stream?.name ?? 'gone'}.c.1.${message.seq}.${consumerSeq}.${message.time}.0`,
    });
    delivering = null;
  };
  const nextFor = (consumer: Consumer<Event>): Message<Event> | null => {
    if (stream === null || stream.log !== consumer.log) return null;
    for (let seq = Math.max(consumer.next, stream.firstSeq); seq <= stream.lastSeq; seq += 1) {
      const message = stream.messages.get(seq);
      if (message !== undefined) return message;
    }
    return null;
  };
  const pump = async (consumer: Consumer<Event>): Promise<void> => {
    if (consumer.sending) return;
    consumer.sending = true;
    while (consumers.has(consumer) && nextFor(consumer) !== null) {
      await step(`nats sends to ${consumer.connection.name}`);
      const message = consumers.has(consumer) ? nextFor(consumer) : null;
      if (message === null) continue;
      consumer.next = message.seq + 1;
      consumer.sent += 1;
      const { sent } = consumer;
      // A sent message arrives whatever happens to the stream, in the order of sending.
      consumer.arriving = consumer.arriving.then(async () => {
        await step(`${consumer.connection.name} receives ${message.seq}`);
        arrive(consumer, message, sent);
      });
    }
    consumer.sending = false;
  };

  /** A request reaches the server and its answer comes back, unless the connection is closed. */
  const api = async <T>(connection: Connection<Event>, what: string, handle: () => T): Promise<T> => {
    await step(`${connection.name} asks for ${what}`);
    if (!connection.open || connection.stalled) return never();
    let reply: () => T;
    try {
      if (core || isolated.has(connection.name)) throw new NatsError('no responders', ErrorCode.NoResponders);
      const value = handle();
      reply = () => value;
    } catch (error) {
      reply = () => {
        throw error;
      };
    }
    await step(`${connection.name} is told ${what}`);
    return connection.open && !connection.stalled ? reply() : never();
  };
  const notThere = (): NatsError => {
    const error = new NatsError('no message found', '404');
    error.api_error = { code: 404, err_code: 10037, description: 'no message found' };
    return error;
  };
  const found = (): Stream<Event> => {
    if (stream === null) throw notFound();
    return stream;
  };

  const manager = (connection: Connection<Event>) => ({
    streams: {
      info: () => api(connection, 'the stream', () => describe(found())),
      getMessage: (_stream: string, { seq }: { readonly seq: number }) =>
        api(connection, `message ${seq}`, () => {
          const message = found().messages.get(seq);
          if (message === undefined) throw notThere();
          return { timestamp: moment(message.time) };
        }),
      add: ({ name }: { readonly name: string }) =>
        api(connection, 'a new stream', () => {
          if (stream === null) {
            streams += 1;
            stream = {
              name,
              created: `${streams}`,
              log: new Map(),
              firstSeq: 1,
              lastSeq: 0,
              times: new Map(),
              messages: new Map(),
            };
            existence.resolve();
          }
          return describe(stream);
        }),
    },
    consumers: {
      add: (_stream: string, config: unknown) =>
        api(connection, 'a consumer', () => {
          const { messages, log, firstSeq, lastSeq } = found();
          const wanted = consumerSchema.parse(config);
          const since = BigInt(nanosecondsOf(wanted.opt_start_time ?? '') ?? 0);
          let next = Math.max(firstSeq, wanted.opt_start_seq ?? 0);
          while (next <= lastSeq && (messages.get(next)?.time ?? -1n) < since) next += 1;
          const consumer: Consumer<Event> = {
            connection,
            deliverTo: wanted.deliver_subject,
            log,
            next,
            sent: 0,
            sending: false,
            arriving: Promise.resolve(),
          };
          connection.log = log;
          consumers.add(consumer);
          void pump(consumer);
          return {
            num_pending: [...messages.keys()].filter((seq) => seq >= next).length,
            delivered: { stream_seq: next - 1 },
          };
        }),
    },
  });

  /** Delivers to all subscriptions without a consumer. */
  const sendToCore = (subject: string, data: Uint8Array, event: Event): void => {
    for (const connection of connections) {
      const callback = connection.callbacks.get('events.>');
      if (callback === undefined) continue;
      connection.arriving = connection.arriving.then(async () => {
        await step(`${connection.name} receives ${subject}`);
        if (!connection.open || connection.stalled || isolated.has(connection.name)) return;
        delivering = event;
        callback(null, { subject, data });
        delivering = null;
      });
    }
  };

  const current = (client: string): Connection<Event> | undefined =>
    [...connections].find(({ name }) => name === client);

  return {
    connect: async (options) => {
      const { servers } = z.object({ servers: z.array(z.string()) }).parse(options);
      const name = new URL(servers[0] ?? '').hostname;
      await step(`${name} connects`);
      const connection: Connection<Event> = {
        name,
        open: true,
        stalled: false,
        toLose: 0,
        log: new Map(),
        arriving: Promise.resolve(),
        callbacks: new Map(),
        closed: Promise.withResolvers(),
      };
      connections.add(connection);
      latest.set(name, connection);
      return {
        flush: async () => {
          await step(`${name} pings`);
          await connection.arriving;
          await step(`${name} has its pong`);
          return connection.open && !connection.stalled ? undefined : never();
        },
        closed: () => connection.closed.promise,
        status: async function* () {
          await connection.closed.promise;
          yield { type: 'disconnect' };
        },
        jetstreamManager: async () => manager(connection),
        subscribe: (subject: string, { callback }: { readonly callback: Callback }) =>
          void connection.callbacks.set(subject, callback),
        publish: () => {},
        close: async () => close(connection),
      };
    },
    delivering: () => delivering,
    logOf: (client) => latest.get(client)?.log ?? new Map(),
    isolate: (client, on) => {
      if (on) isolated.add(client);
      else isolated.delete(client);
    },
    publish: (subject, data, event) => {
      if (!core && stream === null) return null;
      sendToCore(subject, data, event);
      if (stream === null) return 0;
      stream.lastSeq += 1;
      const seq = stream.lastSeq;
      taken += 1n;
      const time = BigInt(now()) * 1_000_000n + taken;
      stream.times.set(seq, time);
      stream.messages.set(seq, { seq, subject, data, time, event });
      stream.log.set(seq, event);
      for (const consumer of consumers) void pump(consumer);
      return seq;
    },
    cut: (client) => {
      const connection = current(client);
      if (connection !== undefined) close(connection);
      return connection !== undefined;
    },
    stall: (client) => {
      const connection = current(client);
      if (connection !== undefined) connection.stalled = true;
      return connection !== undefined;
    },
    loseMessage: (client) => {
      const connection = current(client);
      if (connection !== undefined) connection.toLose += 1;
      return connection !== undefined;
    },
    loseConsumer: (client) => {
      const lost = [...consumers].filter(({ connection }) => connection.name === client);
      for (const consumer of lost) consumers.delete(consumer);
      return lost.length > 0;
    },
    purge: () => {
      if (stream === null) return;
      stream.messages.clear();
      stream.firstSeq = stream.lastSeq + 1;
    },
    expire: () => {
      if (stream === null || stream.firstSeq > stream.lastSeq) return;
      stream.messages.delete(stream.firstSeq);
      do stream.firstSeq += 1;
      while (stream.firstSeq <= stream.lastSeq && !stream.messages.has(stream.firstSeq));
    },
    remove: (fromTheEnd) => {
      const seq = [...(stream?.messages.keys() ?? [])].at(-fromTheEnd);
      if (stream === null || seq === undefined) return;
      stream.messages.delete(seq);
      while (stream.firstSeq <= stream.lastSeq && !stream.messages.has(stream.firstSeq)) stream.firstSeq += 1;
    },
    deleteStream: () => {
      stream = null;
      existence = Promise.withResolvers();
      consumers.clear();
    },
    rollBack: (messages, connected) => {
      if (stream === null) return [];
      const keep = Math.max(0, stream.lastSeq - messages);
      const lost = [...stream.log].filter(([seq]) => seq > keep).map(([, event]) => event);
      stream.log = new Map([...stream.log].filter(([seq]) => seq <= keep));
      for (const seq of stream.messages.keys()) if (seq > keep) stream.messages.delete(seq);
      stream.lastSeq = keep;
      stream.firstSeq = Math.min(stream.firstSeq, keep + 1);
      if (connected) consumers.clear();
      else for (const connection of [...connections]) close(connection);
      return lost;
    },
    streamExists: () => (stream === null ? existence.promise : Promise.resolve()),
  };
};
