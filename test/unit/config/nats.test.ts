import { describe, expect, it } from 'vitest';
import { loadRelayConfig } from '../../../src/config/command-line.ts';
import { ConfigError, loadConfig } from '../../../src/config/index.ts';
import { createAuthority } from '../../../tools/network/certificates.ts';
import { testFolder } from '../../support/folder.ts';
import { createOperator } from '../../support/nats-operator.ts';

const MINIMAL = {
  DATABASE_URL: 'postgres://user:pass@127.0.0.1:5432/app',
  BETTER_AUTH_SECRET: 'a-secret-that-is-long-enough-for-hs256',
  BETTER_AUTH_URL: 'https://app.example.com',
  NATS_URL: 'nats://nats',
};
const { file } = testFolder();
const credentials = file('user.creds', createOperator().credentials());
const authority = createAuthority('authority');
const own = authority.issue('assent');
const tls = { NATS_TLS_CERT: file('cert', own.cert), NATS_TLS_KEY: file('key', own.key) };
const ca = file('ca', authority.cert);

const natsOf = (environment: Readonly<Record<string, string>> = {}) => loadConfig({ ...MINIMAL, ...environment }).nats;
const problemsOf = (environment: Readonly<Record<string, string>>): readonly string[] => {
  try {
    natsOf(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
};

describe('the settings of NATS', () => {
  it('NATS needs an address only, and the documented times are the defaults', () => {
    expect(natsOf()).toMatchObject({ credentials: null, tls: null, connectTimeoutMs: 2_000, requestTimeoutMs: 1_000 });
  });

  it('the paths of credentials and of TLS files are kept, since the files are read for each connection', () => {
    expect(natsOf({ NATS_CREDENTIALS: credentials, ...tls, NATS_TLS_CA: ca })).toMatchObject({
      credentials,
      tls: { cert: tls.NATS_TLS_CERT, key: tls.NATS_TLS_KEY, ca },
    });
    expect(natsOf({ NATS_TLS_CA: ca })?.tls).toEqual({ cert: null, key: null, ca });
  });

  it('a credentials file without a JWT and a seed is a problem that does not repeat its content', () => {
    const problems = problemsOf({ NATS_CREDENTIALS: file('broken.creds', 'SUAPRIVATE') });
    expect(problems).toEqual([
      'NATS_CREDENTIALS names a file without a JWT and the seed of a user: write it by "nsc generate creds".',
    ]);
    expect(problemsOf({ NATS_CREDENTIALS: '/nowhere' })).toEqual([
      'NATS_CREDENTIALS names a file that cannot be read (ENOENT).',
    ]);
  });

  it('a credentials file beside a user or token in the URL is a problem', () => {
    for (const url of ['nats://me:secret@nats', 'nats://token@nats']) {
      expect(problemsOf({ NATS_URL: url, NATS_CREDENTIALS: credentials })).toEqual([
        'NATS_CREDENTIALS and the user or token in NATS_URL must not be set together: leave one.',
      ]);
    }
  });

  it('a URL whose password cannot be decoded is a problem at the start', () => {
    expect(problemsOf({ NATS_URL: 'nats://me:100%@nats' })).toEqual([
      'NATS_URL has a user or password with a "%" that is not followed by two hexadecimal digits.',
    ]);
  });

  it('TLS files that cannot be used are problems, each by the name of its setting', () => {
    expect(problemsOf({ NATS_TLS_CERT: tls.NATS_TLS_CERT })).toEqual([
      'NATS_TLS_CERT and NATS_TLS_KEY must be set together.',
    ]);
    expect(problemsOf({ ...tls, NATS_TLS_KEY: file('other', authority.issue('other').key) })).toEqual([
      expect.stringMatching(/^NATS_TLS_CERT and NATS_TLS_KEY do not belong together/),
    ]);
    expect(problemsOf({ NATS_TLS_CA: file('empty', '') })).toEqual([
      'NATS_TLS_CA names a file without any certificate in PEM.',
    ]);
  });

  it('a request must not take longer than the lease that its answer renews', () => {
    expect(natsOf({ ASSENT_NATS_TIMEOUT_MS: '2000' })).toMatchObject({ requestTimeoutMs: 2_000 });
    expect(natsOf({ ASSENT_EVENTS_LEASE_SECONDS: '1' })).toMatchObject({ requestTimeoutMs: 1_000 });
    expect(problemsOf({ ASSENT_NATS_TIMEOUT_MS: '2001' })).toEqual([
      'ASSENT_NATS_TIMEOUT_MS (2001 ms) must not be longer than ASSENT_EVENTS_LEASE_SECONDS (2 s): an answer that takes longer than the lease renews nothing. Raise the lease or lower the time.',
    ]);
  });

  it('times outside their range are problems', () => {
    expect(problemsOf({ ASSENT_NATS_TIMEOUT_MS: '9', ASSENT_NATS_CONNECT_TIMEOUT_MS: '60001' })).toEqual([
      'ASSENT_NATS_CONNECT_TIMEOUT_MS must be a whole number from 10 to 60000.',
      'ASSENT_NATS_TIMEOUT_MS must be a whole number from 10 to 60000.',
    ]);
  });

  it('the relay reads the same settings', () => {
    const relay = loadRelayConfig({
      ...{
        RELAY_DATABASE_URL: 'postgres://relay@db/app',
        NATS_URL: 'tls://nats',
        NATS_CREDENTIALS: credentials,
        ...tls,
      },
      ASSENT_NATS_CONNECT_TIMEOUT_MS: '5000',
    });
    expect(relay).toMatchObject({ credentials, tls: { cert: tls.NATS_TLS_CERT }, connectTimeoutMs: 5_000 });
  });
});
