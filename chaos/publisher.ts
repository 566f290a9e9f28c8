/**
 * Publishes by the rules of docs/operate/events.md: after the commit, with acknowledgement, and again with the same id until
 * one comes. Reports
 * in which making of the stream an event stands.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { connect, type JetStreamClient, type JetStreamManager, type NatsConnection } from 'nats';
import type { Mark } from './streams.ts';
import { openStream, PREFIX, STREAM, type Topology } from './topology.ts';

export interface PublishedEvent {
  /** The subject without `betterauth.`. */
  readonly name: string;
  readonly userId?: string;
  readonly organizationId?: string;
}

export interface Publisher {
  /** Resolves with the acknowledgement; rejects only when the publisher was ended. */
  publish(event: PublishedEvent): Promise<Mark>;
  /** How many publishes were tried again. */
  retries(): number;
  end(): Promise<void>;
}

const ANSWER_MS = 1_000;
const RETRY_MS = 100;

interface Session {
  readonly connection: NatsConnection;
  readonly jetstream: JetStreamClient;
  readonly manager: JetStreamManager;
  /** When the stream was made. */
  readonly made: string;
  /** The same, or another name for it when it lost messages. */
  readonly created: string;
}

/** Creates a publisher; it connects to one of the servers at the first event, and anew after each fault. */
export const createPublisher = (urls: readonly string[], topology: Topology): Publisher => {
  const ending = new AbortController();
  /** The highest number acknowledged, by the stream's making. */
  const highest = new Map<string, number>();
  let session: Promise<Session> | null = null;
  let retries = 0;

  const open = async (): Promise<Session> => {
    const connection = await connect({ servers: [...urls], name: 'chaos', reconnect: false, timeout: ANSWER_MS });
    try {
      const manager = await connection.jetstreamManager({ timeout: ANSWER_MS });
      const { created, state } = await openStream(manager, topology);
      // A stream that lost acknowledged messages numbers on from what it has left: its numbers say nothing any more.
      const lost = state.last_seq < (highest.get(created) ?? 0);
      const name = lost ? `${created} lost messages` : created;
      return {
        connection,
        jetstream: connection.jetstream({ timeout: ANSWER_MS }),
        manager,
        made: created,
        created: name,
      };
    } catch (error) {
      await connection.close();
      throw error;
    }
  };
  const drop = (failed: Promise<Session>): void => {
    if (session === failed) session = null;
    failed.then(({ connection }) => connection.close()).catch(() => {});
  };

  return {
    publish: async ({ name, ...ids }) => {
      const id = randomUUID();
      const payload = JSON.stringify({ id, occurredAt: new Date().toISOString(), ...ids });
      while (!ending.signal.aborted) {
        session ??= open();
        const current = session;
        try {
          const { jetstream, manager, made, created } = await current;
          const { seq } = await jetstream.publish(`${PREFIX}.${name}`, payload, { msgID: id });
          // Made anew before this was published or since: published again, so that it is known where it stands. A stream
          // that has it already says so with the number that it has.
          if ((await manager.streams.info(STREAM)).created !== made) throw new Error('the stream was made anew');
          highest.set(created, Math.max(seq, highest.get(created) ?? 0));
          return { created, seq };
        } catch {
          drop(current);
          retries += 1;
          await delay(RETRY_MS, undefined, { signal: ending.signal }).catch(() => {});
        }
      }
      throw new Error('the publisher was ended');
    },
    retries: () => retries,
    end: async () => {
      ending.abort();
      const open = await session?.catch(() => null);
      await open?.connection.close();
    },
  };
};
