/** The messages that publishers send. */
import { eventNames, parseEvent, toMessage } from '@assent/event-contract';
import { describe, expect, it } from 'vitest';

const EVENT = { id: '7b0d3f60-0000-4000-8000-00000000000a', occurredAt: '2026-11-23T08:00:00.000Z' };

describe('the message of an event', () => {
  it('the message of an event has the subject, the id and the payload of docs/operate/events.md', () => {
    expect(toMessage('betterauth', { ...EVENT, name: 'member.added', userId: 'u1', organizationId: 'o1' })).toEqual({
      id: EVENT.id,
      subject: 'betterauth.member.added',
      payload: `{"id":"${EVENT.id}","occurredAt":"${EVENT.occurredAt}","userId":"u1","organizationId":"o1"}`,
    });
  });

  it.each([{}, { userId: null, organizationId: null }])(
    'the message of an event leaves out absent ids: %j',
    (absent) => {
      const { payload } = toMessage('b', { ...EVENT, name: 'resync', ...absent });
      expect(JSON.parse(payload)).toEqual(EVENT);
    },
  );

  it.each([...eventNames])('the message of an event is understood by the service: %s', (name) => {
    const { subject, payload } = toMessage('auth.prod', { ...EVENT, name, userId: 'u', organizationId: 'o' });
    expect(parseEvent('auth.prod', subject, Buffer.from(payload)).kind).toBe('change');
  });
});
