/** Subjects and payloads: from an event to the message that a publisher sends. Pure. */

/** The events by name (the subject without its prefix), with the facts that each one makes stale. */
export const EVENTS = {
  'member.added': 'pair',
  'member.removed': 'pair',
  'member.role_changed': 'pair',
  'user.updated': 'user',
  'user.deleted': 'user',
  'organization.updated': 'organization',
  'organization.deleted': 'organization',
  'organization_role.changed': 'organization',
  resync: 'everything',
} as const;

export type EventName = keyof typeof EVENTS;

/** The names of all events. */
export const eventNames = Object.keys(EVENTS) as readonly EventName[];

/** An event on its way to NATS. */
export interface OutgoingEvent {
  /** A UUID. It is sent as `Nats-Msg-Id` and kept when the event is published again: JetStream drops the duplicate. */
  readonly id: string;
  /** The subject without the prefix. */
  readonly name: string;
  /** When the change happened (RFC 3339). */
  readonly occurredAt: string;
  readonly userId?: string | null;
  readonly organizationId?: string | null;
}

/** An event as NATS gets it. */
export interface EventMessage {
  readonly id: string;
  readonly subject: string;
  readonly payload: string;
}

/** @param prefix The prefix of the subjects, for example `betterauth`. */
export function toMessage(
  prefix: string,
  { id, name, occurredAt, userId, organizationId }: OutgoingEvent,
): EventMessage {
  const ids = { ...(userId == null ? {} : { userId }), ...(organizationId == null ? {} : { organizationId }) };
  return { id, subject: `${prefix}.${name}`, payload: JSON.stringify({ id, occurredAt, ...ids }) };
}
