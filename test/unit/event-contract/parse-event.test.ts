import { covers, eventNames, parseEvent } from '@assent/event-contract';
import { describe, expect, it } from 'vitest';

const parse = (subject: string, payload: unknown, prefix = 'betterauth') =>
  parseEvent(
    prefix,
    subject,
    typeof payload === 'string' ? Buffer.from(payload) : Buffer.from(JSON.stringify(payload)),
  );

const IDS = { userId: 'u', organizationId: 'o' };
const pair = { kind: 'change', changes: [{ kind: 'pair', ...IDS }] };
const user = { kind: 'change', changes: [{ kind: 'user', userId: 'u' }] };
const organization = { kind: 'change', changes: [{ kind: 'organization', organizationId: 'o' }] };

describe('parseEvent', () => {
  it.each([
    ['member.added', pair],
    ['member.removed', pair],
    ['member.role_changed', pair],
    ['user.updated', user],
    ['user.deleted', user],
    ['organization.updated', organization],
    ['organization.deleted', organization],
    ['organization_role.changed', organization],
    ['resync', { kind: 'change', changes: [{ kind: 'everything' }] }],
  ])('the event %s invalidates the facts that the contract names', (name, expected) => {
    expect(eventNames).toContain(name);
    expect(parse(`betterauth.${name}`, { id: 'x', occurredAt: 'now', ...IDS })).toEqual(expected);
    expect(parse(`betterauth.${name}`, { user_id: 'u', organization_id: 'o' })).toEqual(expected);
    expect(parse(`auth.prod.${name}`, IDS, 'auth.prod')).toEqual(expected);
  });

  it('an id that is not UTF-8 is malformed, and never another id', () => {
    const payload = Buffer.from('{"userId":"u?"}');
    payload[payload.indexOf('?')] = 0xff;
    expect(parseEvent('betterauth', 'betterauth.user.updated', payload)).toEqual({
      ...{ kind: 'malformed', problem: 'the payload is not JSON' },
    });
  });

  it('a serial id may be a number in JSON', () => {
    expect(parse('betterauth.user.updated', { userId: 7 })).toEqual({
      kind: 'change',
      changes: [{ kind: 'user', userId: '7' }],
    });
  });

  it('an event invalidates every form of its ids', () => {
    const [one, other] = ['A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'];
    expect(parse('betterauth.member.removed', { userId: one, organizationId: '007' })).toEqual({
      kind: 'change',
      changes: [
        { kind: 'pair', userId: one, organizationId: '007' },
        { kind: 'pair', userId: one, organizationId: '7' },
        { kind: 'pair', userId: other, organizationId: '007' },
        { kind: 'pair', userId: other, organizationId: '7' },
      ],
    });
  });

  it.each([
    ['member.removed', { userId: 'u' }],
    ['member.removed', { organizationId: 'o' }],
    ['user.updated', {}],
    ['user.updated', { userId: '' }],
    ['user.updated', { userId: null }],
    ['user.updated', { userId: ' \t' }],
    ['user.updated', { userId: 'u\0' }],
    ['user.updated', { userId: 7.5 }],
    // JSON's numbers are doubles: this one is read as another number.
    ['user.updated', '{"userId":9007199254740993}'],
    ['organization.deleted', { userId: 'u' }],
    ['user.updated', 'not json'],
    ['user.updated', '"text"'],
    ['user.updated', '[]'],
    ['user.updated', 'null'],
    ['user.updated', ''],
  ])('the event %s without its ids is malformed, never ignored: %j', (name, payload) => {
    expect(parse(`betterauth.${name}`, payload).kind).toBe('malformed');
  });

  it.each([null, '', {}, 'x'.repeat(600), 1.5])(
    'a value in the place of an id that the event does not need is ignored: %j',
    (other) => {
      expect(parse('betterauth.user.updated', { userId: 'u', organizationId: other, organization_id: other })).toEqual(
        user,
      );
      expect(parse('betterauth.organization.deleted', { userId: other, organizationId: 'o' })).toEqual(organization);
    },
  );

  it('null counts as an absent id, as programs in typed languages write it', () => {
    expect(parse('betterauth.member.removed', { userId: null, user_id: 'u', organizationId: 'o' })).toEqual(pair);
  });

  it('a payload that is not text is malformed', () => {
    expect(parseEvent('betterauth', 'betterauth.user.updated', Uint8Array.of(0xff, 0xfe)).kind).toBe('malformed');
  });

  it.each([
    'betterauth.user.invented',
    'betterauth',
    'betterauth.',
    'other.user.updated',
    'betterauthx.user.updated',
    'betterauth.constructor',
  ])('the subject %s is unknown', (subject) => {
    expect(parse(subject, IDS).kind).toBe('unknown');
  });
});

describe('covers', () => {
  it.each([
    ['betterauth.>', 'betterauth.user.updated', true],
    ['>', 'betterauth.user.updated', true],
    ['betterauth.*.updated', 'betterauth.user.updated', true],
    ['betterauth.user.updated', 'betterauth.user.updated', true],
    ['betterauth.*', 'betterauth.user.updated', false],
    ['betterauth.user.*.more', 'betterauth.user.updated', false],
    ['other.>', 'betterauth.user.updated', false],
    ['betterauth.>', 'betterauth', false],
  ])('whether the pattern %s covers the subject %s is %s', (pattern, subject, expected) => {
    expect(covers(pattern, subject)).toBe(expected);
  });
});
