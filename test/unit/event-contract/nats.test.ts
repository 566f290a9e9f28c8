import { parseCredentials, serversOf } from '@assent/event-contract';
import { nkeys } from 'nats';
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

const JWT = 'eyJ0eXAiOiJKV1QifQ.eyJzdWIiOiJVIn0.c2ln';
const SEED = new TextDecoder().decode(nkeys.createUser().getSeed());
const blocks = (jwt: string, seed: string): string =>
  `-----BEGIN NATS USER JWT-----\n${jwt}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------\n`;

it('a credentials file is a JWT and a seed, with any line ends and without the last one', () => {
  const text = blocks(JWT, SEED);
  for (const written of [text, text.replaceAll('\n', '\r\n'), text.trim(), `\uFEFF${text}`]) {
    expect(parseCredentials(written)).toEqual({ jwt: JWT, seed: SEED });
  }
});

it.each([
  ['nothing', ''],
  ['a JWT alone', `-----BEGIN NATS USER JWT-----\n${JWT}\n------END NATS USER JWT------\n`],
  ['a bare seed', SEED],
  ['the seed of an account', blocks(JWT, new TextDecoder().decode(nkeys.createAccount().getSeed()))],
  ['a seed with a wrong checksum', blocks(JWT, `${SEED.slice(0, 20)}${SEED[20] === 'A' ? 'B' : 'A'}${SEED.slice(21)}`)],
  ['the two in the other order', blocks(SEED, JWT)],
])('a credentials file with %s is refused', (_, text) => {
  expect(parseCredentials(text)).toBeNull();
});
