/** Hears the events of a test, as anybody who subscribes would. */
import { connect } from 'nats';
import { afterAll } from 'vitest';
import { z } from 'zod';

/** An event without what differs each time. */
export interface Heard {
  readonly name: string;
  readonly userId?: string;
  readonly organizationId?: string;
}

const payloadSchema = z.strictObject({
  id: z.uuid(),
  occurredAt: z.iso.datetime({ offset: true }),
  userId: z.string().optional(),
  organizationId: z.string().optional(),
});

export interface Ear {
  /** The events so far, each once, whatever it took to publish it. */
  readonly events: Heard[];
  /** How often each was heard, by its id. */
  readonly counts: ReadonlyMap<string, number>;
  /** Everything that NATS took before this call has been heard after it. */
  catchUp(): Promise<void>;
}

/**
 * @param onEvent Called with each event as it arrives.
 * @param atEnd When it stops: `afterAll`, or `onTestFinished` in a test.
 */
export const listen = async (
  url: string,
  prefix: string,
  onEvent: (event: Heard) => void = () => {},
  atEnd: (stop: () => Promise<void>) => void = afterAll,
): Promise<Ear> => {
  const connection = await connect({ servers: url });
  atEnd(() => connection.close());
  const events: Heard[] = [];
  const counts = new Map<string, number>();
  connection.subscribe(`${prefix}.>`, {
    callback: (error, message) => {
      if (error !== null) throw error;
      const { id, occurredAt: _, ...ids } = payloadSchema.parse(message.json());
      if (message.headers?.get('Nats-Msg-Id') !== id) throw new Error('Nats-Msg-Id is not the id of the event');
      const count = (counts.get(id) ?? 0) + 1;
      counts.set(id, count);
      if (count > 1) return;
      const event = { name: message.subject.slice(prefix.length + 1), ...ids } as Heard;
      events.push(event);
      onEvent(event);
    },
  });
  await connection.flush();
  return { events, counts, catchUp: () => connection.flush() };
};
