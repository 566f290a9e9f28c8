/** Records the events of a test, as any subscriber receives them. */
import { connect } from 'nats';
import { afterAll } from 'vitest';
import { z } from 'zod';

/** An event without its id and its time, which differ each time. */
export interface RecordedEvent {
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

export interface EventRecorder {
  /** The events so far, each once, whatever it took to publish it. */
  readonly events: RecordedEvent[];
  /** How often each event was received, by its id. */
  readonly counts: ReadonlyMap<string, number>;
  /** Everything that NATS took before this call has been recorded after it. */
  catchUp(): Promise<void>;
}

/**
 * @param onEvent Called with each event as it arrives.
 * @param atEnd When it stops: `afterAll`, or `onTestFinished` in a test.
 */
export const recordEvents = async (
  url: string,
  prefix: string,
  onEvent: (event: RecordedEvent) => void = () => {},
  atEnd: (stop: () => Promise<void>) => void = afterAll,
): Promise<EventRecorder> => {
  const connection = await connect({ servers: url });
  atEnd(() => connection.close());
  const events: RecordedEvent[] = [];
  const counts = new Map<string, number>();
  connection.subscribe(`${prefix}.>`, {
    callback: (error, message) => {
      if (error !== null) throw error;
      const { id, occurredAt: _, ...ids } = payloadSchema.parse(message.json());
      if (message.headers?.get('Nats-Msg-Id') !== id) throw new Error('Nats-Msg-Id is not the id of the event');
      const count = (counts.get(id) ?? 0) + 1;
      counts.set(id, count);
      if (count > 1) return;
      const event = { name: message.subject.slice(prefix.length + 1), ...ids } as RecordedEvent;
      events.push(event);
      onEvent(event);
    },
  });
  await connection.flush();
  return { events, counts, catchUp: () => connection.flush() };
};
