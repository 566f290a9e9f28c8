import { serversOf } from '@assent/event-contract';
import { expect, it } from 'vitest';

it.each([
  ['nats://nats', { servers: ['nats://nats'] }],
  ['nats://a:4222, tls://b:4223', { servers: ['nats://a:4222', 'tls://b:4223'], tls: {} }],
  [
    'nats://me:p%40ss%2Fword%25@a:4222,nats://b',
    { servers: ['nats://a:4222', 'nats://b'], user: 'me', pass: 'p@ss/word%' },
  ],
  ['nats://t%2Bken@[::1]:4222', { servers: ['nats://[::1]:4222'], token: 't+ken' }],
])('the NATS URL %s is split into addresses and credentials', (urls, expected) => {
  expect(serversOf(urls)).toEqual(expected);
});
