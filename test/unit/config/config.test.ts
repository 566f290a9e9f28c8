import { createHash, createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from '../../../src/config/index.ts';
import { createAuthority } from '../../../tools/network/certificates.ts';
import { testFolder } from '../../support/folder.ts';

const SECRET = 'a-secret-that-is-long-enough-for-hs256';
const MINIMAL = {
  DATABASE_URL: 'postgres://user:pass@127.0.0.1:5432/app',
  BETTER_AUTH_SECRET: SECRET,
  BETTER_AUTH_URL: 'https://app.example.com/api/auth',
};

/** The issuer that these variables describe. */
const OWN = { issuer: 'https://app.example.com', keys: 'database', audiences: ['https://app.example.com'] };

const { path: folder, file } = testFolder();

const authority = createAuthority('authority');
const server = authority.issue('server');
const tls = { ASSENT_TLS_CERT: file('cert', server.cert), ASSENT_TLS_KEY: file('key', server.key) };
const pem = (content: string): string => `-----BEGIN CERTIFICATE-----\n${content}\n-----END CERTIFICATE-----\n`;

const problemsOf = (environment: Record<string, string | undefined>): readonly string[] => {
  try {
    loadConfig(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
};

describe('loadConfig', () => {
  it('loadConfig takes the minimal environment, with the documented defaults', () => {
    const config = loadConfig(MINIMAL);
    expect(config).toMatchObject({
      pool: { connections: 10, statementTimeoutMs: 2_000, overloadWaitMs: 200 },
      redis: null,
      nats: null,
      tokens: {
        hs256: { secrets: [SECRET], issuer: null, audiences: null, types: ['JWT'] },
        issuers: [{ ...OWN, types: ['JWT'] }],
        jwksGraceMs: 2_592_000_000,
      },
      grpcAddress: { kind: 'tcp', host: '127.0.0.1', port: 50051 },
      httpAddress: { kind: 'tcp', host: '127.0.0.1', port: 8080 },
      callers: [],
      callersFile: null,
      tls: null,
      insecure: false,
      leaseSeconds: 2,
      ttlSeconds: 300,
      workers: 1,
      logLevel: 'info',
    });
    expect(Object.isFrozen(config)).toBe(true);
  });

  it('loadConfig takes the waiting times of PostgreSQL and Redis from the environment', () => {
    const config = loadConfig({
      ...MINIMAL,
      ASSENT_DB_CONNECTIONS: '40',
      ASSENT_DB_STATEMENT_TIMEOUT_MS: '5000',
      ASSENT_DB_OVERLOAD_WAIT_MS: '400',
      REDIS_URL: 'redis://redis',
      ASSENT_REDIS_TIMEOUT_MS: '100',
      ASSENT_REDIS_PAUSE_MS: '0',
    });
    expect(config.pool).toEqual({ connections: 40, statementTimeoutMs: 5_000, overloadWaitMs: 400 });
    expect(config.redis).toEqual({ url: 'redis://redis', timeoutMs: 100, pauseMs: 0, connectTimeoutMs: 2_000 });
    const redis = { ...MINIMAL, REDIS_URL: 'redis://redis' };
    expect(loadConfig(redis).redis).toEqual({
      url: 'redis://redis',
      timeoutMs: 50,
      pauseMs: 500,
      connectTimeoutMs: 2_000,
    });
    expect(problemsOf({ ...MINIMAL, ASSENT_DB_CONNECTIONS: '0', ASSENT_REDIS_TIMEOUT_MS: '50ms' })).toEqual([
      'ASSENT_DB_CONNECTIONS must be a whole number from 1 to 1000.',
      'ASSENT_REDIS_TIMEOUT_MS must be a whole number from 1 to 60000.',
    ]);
  });

  it('loadConfig selects the stream unless core NATS is configured, and keeps the configured domain', () => {
    const nats = (more: Readonly<Record<string, string>> = {}) =>
      loadConfig({ ...MINIMAL, NATS_URL: 'nats://nats', ...more }).nats;
    expect(nats()).toMatchObject({ mode: 'stream', domain: null });
    expect(nats({ NATS_MODE: 'core' })).toMatchObject({ mode: 'core' });
    expect(nats({ NATS_JETSTREAM_DOMAIN: 'hub-1' })).toMatchObject({ domain: 'hub-1' });
    expect(problemsOf({ ...MINIMAL, NATS_MODE: 'auto', NATS_JETSTREAM_DOMAIN: 'a.b' })).toEqual([
      'NATS_MODE must be one of stream, core.',
      'NATS_JETSTREAM_DOMAIN may have letters, digits, _ and - only.',
    ]);
  });

  it('loadConfig names ASSENT_ variables that it does not read, but not variables that Kubernetes adds', () => {
    const known = { ASSENT_JWKS: 'off', ASSENT_JWT_ISSUER: 'https://issuer' };
    const kubernetes = {
      ASSENT_SERVICE_HOST: '10.0.0.1',
      ASSENT_SERVICE_PORT: '50051',
      ASSENT_GRPC_SERVICE_PORT_HTTP: '8080',
      ASSENT_PORT: 'tcp://10.0.0.1:50051',
      ASSENT_PORT_50051_TCP_ADDR: '10.0.0.1',
    };
    const misspelt = { ASSENT_HS256_AUDIANCE: 'api', ASSENT_POLICY_FILE: 'policy.yaml' };
    expect(loadConfig({ ...MINIMAL, ...known, ...kubernetes }).unknown).toEqual([]);
    expect(loadConfig({ ...MINIMAL, ...known, ...misspelt }).unknown).toEqual(Object.keys(misspelt));
  });

  it('loadConfig reports every problem in one go, by the name of its variable', () => {
    const problems = problemsOf({
      DATABASE_URL: 'mysql://x',
      BETTER_AUTH_SECRET: 'short',
      BETTER_AUTH_URL: 'not a url',
      REDIS_URL: 'http://x',
      NATS_URL: 'x',
      ASSENT_PERMISSION_TTL_SECONDS: '-1',
      ASSENT_GRPC_ADDRESS: 'nonsense',
      ASSENT_NAMING: 'user=people,unknown=x',
      LOG_LEVEL: 'loud',
    });
    for (const name of [
      'DATABASE_URL',
      'BETTER_AUTH_SECRET',
      'BETTER_AUTH_URL',
      'REDIS_URL',
      'NATS_URL',
      'ASSENT_PERMISSION_TTL_SECONDS',
      'ASSENT_GRPC_ADDRESS',
      'ASSENT_NAMING',
      'LOG_LEVEL',
    ]) {
      expect(
        problems.filter((problem) => problem.startsWith(name)),
        name,
      ).toHaveLength(1);
    }
  });

  it('loadConfig never puts a secret into a problem', () => {
    const problems = problemsOf({
      ...MINIMAL,
      DATABASE_URL: 'mysql://admin:hunter2hunter2@db/x',
      BETTER_AUTH_SECRET: 'hunter2hunter2',
      BETTER_AUTH_SECRETS: 'hunter2hunter2,1:hunter2hunter2',
      REDIS_URL: 'http://:hunter2hunter2@redis',
    });
    expect(problems.length).toBeGreaterThanOrEqual(4);
    expect(problems.join('\n')).not.toContain('hunter2');
  });

  it("loadConfig takes Better Auth's form of several secrets, newest first", () => {
    const [newer, older] = [`${SECRET}-2`, `${SECRET}-1`];
    const config = loadConfig({ ...MINIMAL, BETTER_AUTH_SECRETS: `2:${newer},1:${older}` });
    expect(config.tokens.hs256.secrets).toEqual([newer, older, SECRET]);
  });

  it('loadConfig accepts each secret once, and refuses secrets of less than 32 characters in either form', () => {
    expect(loadConfig({ ...MINIMAL, BETTER_AUTH_SECRETS: `1:${SECRET}` }).tokens.hs256.secrets).toEqual([SECRET]);
    const [least, short] = ['s'.repeat(32), 's'.repeat(31)];
    expect(problemsOf({ ...MINIMAL, BETTER_AUTH_SECRET: least, BETTER_AUTH_SECRETS: `1:${least}` })).toEqual([]);
    expect(problemsOf({ ...MINIMAL, BETTER_AUTH_SECRET: short, BETTER_AUTH_SECRETS: `2:${least},1:${short}` })).toEqual(
      [
        'BETTER_AUTH_SECRETS, entry 2, must have at least 32 characters.',
        'BETTER_AUTH_SECRET must have at least 32 characters.',
      ],
    );
  });

  it("loadConfig reads one or several signing keys, newest first, or derives them from Better Auth's secrets, and shows none", () => {
    const [newer, older] = ['n'.repeat(32), 'o'.repeat(32)];
    const keysOf = (more: Record<string, string | undefined>) => loadConfig({ ...MINIMAL, ...more }).signingKeys;
    expect(keysOf({ ASSENT_SIGNING_KEY: older })).toEqual([older]);
    expect(keysOf({ ASSENT_SIGNING_KEY: ` 2:${newer}, 1:${SECRET} ` })).toEqual([newer, SECRET]);
    expect(keysOf({ BETTER_AUTH_SECRETS: `2:${newer}` })).toEqual([newer, SECRET]);
    expect(keysOf({ BETTER_AUTH_SECRET: undefined })).toEqual([]);
    for (const [key, problem] of [
      ['hunter2', 'ASSENT_SIGNING_KEY must have at least 32 characters.'],
      [`2:${newer},1:hunter2`, 'ASSENT_SIGNING_KEY, entry 2, must have at least 32 characters.'],
      [`${newer},1:${SECRET}`, 'ASSENT_SIGNING_KEY must have the form "2:new,1:old"; entry 1 has no version.'],
    ]) {
      expect(problemsOf({ ...MINIMAL, ASSENT_SIGNING_KEY: key })).toEqual([problem]);
    }
  });

  it("loadConfig refuses the default secret in Better Auth's source", () => {
    const published = 'better-auth-secret-12345678901234567890';
    const problems = problemsOf({ ...MINIMAL, BETTER_AUTH_SECRET: published, BETTER_AUTH_SECRETS: `1:${published}` });
    expect(problems).toEqual([
      "BETTER_AUTH_SECRETS, entry 1, must not be Better Auth's own default, which is published.",
      "BETTER_AUTH_SECRET must not be Better Auth's own default, which is published.",
    ]);
  });

  it('loadConfig accepts every port up to 65535', () => {
    const port = (text: string) => problemsOf({ ...MINIMAL, ASSENT_HTTP_ADDRESS: `127.0.0.1:${text}` });
    expect(port('65535')).toEqual([]);
    for (const text of ['65536', '99999', '-1', '']) {
      expect(port(text)).toEqual(['ASSENT_HTTP_ADDRESS must be HOST:PORT, [IPV6]:PORT or unix:PATH.']);
    }
  });

  it.each([
    ['neither issuer nor audience', { BETTER_AUTH_URL: undefined }, ['ASSENT_JWT_ISSUER and ASSENT_JWT_AUDIENCE']],
    [
      'an issuer without an audience',
      { BETTER_AUTH_URL: undefined, ASSENT_JWT_ISSUER: 'https://issuer' },
      ['ASSENT_JWT_AUDIENCE must be set'],
    ],
    ['a JWKS with a password', { ASSENT_JWKS: 'https://a:b@c/jwks' }, ['without a user or password']],
    ['a JWKS that is no URL', { ASSENT_JWKS: 'somewhere' }, ['ASSENT_JWKS must be']],
    ['no way to verify any token', { ASSENT_JWKS: 'off', BETTER_AUTH_SECRET: undefined }, ['BETTER_AUTH_SECRET must']],
  ])('loadConfig refuses %s', (_name, change, expected) => {
    const problems = problemsOf({ ...MINIMAL, ...change });
    expect(problems).toHaveLength(expected.length);
    for (const [index, text] of expected.entries()) expect(problems[index]).toContain(text);
  });

  it('loadConfig takes ASSENT_JWKS=off with a secret, and then needs no issuer', () => {
    expect(loadConfig({ ...MINIMAL, BETTER_AUTH_URL: undefined, ASSENT_JWKS: 'off' }).tokens.issuers).toEqual([]);
  });

  it('loadConfig takes several audiences, separated by commas, of either family', () => {
    const { tokens } = loadConfig({
      ...MINIMAL,
      ASSENT_JWT_AUDIENCE: 'api, https://shop',
      ASSENT_HS256_AUDIENCE: 'a,b',
    });
    expect(tokens.issuers).toEqual([{ ...OWN, audiences: ['api', 'https://shop'], types: ['JWT'] }]);
    expect(tokens.hs256.audiences).toEqual(['a', 'b']);
    for (const name of ['ASSENT_JWT_AUDIENCE', 'ASSENT_HS256_AUDIENCE']) {
      expect(problemsOf({ ...MINIMAL, [name]: 'a,,b' })).toEqual([
        `${name} must be one value, or several separated by commas; one is empty.`,
      ]);
    }
  });

  it.each([
    ['at+jwt', ['at+jwt']],
    ['JWT,at+jwt', ['JWT', 'at+jwt']],
    ['application/AT+JWT, jwt, JWT', ['at+jwt', 'JWT']],
  ])('loadConfig takes the kinds of tokens %s', (text, types) => {
    const { tokens } = loadConfig({ ...MINIMAL, ASSENT_JWT_TYPES: text });
    expect(tokens.issuers).toEqual([{ ...OWN, types }]);
    expect(tokens.hs256.types).toEqual(types);
  });

  it.each(['logout+jwt', 'JWT,at-jwt', 'jwt;at+jwt', 'constructor'])(
    'loadConfig refuses the kinds of tokens %s',
    (text) => {
      expect(problemsOf({ ...MINIMAL, ASSENT_JWT_TYPES: text })).toEqual([
        'ASSENT_JWT_TYPES names a kind that is not known; the known kinds are JWT and at+jwt.',
      ]);
    },
  );

  it('loadConfig reads the grace of expired keys of the jwks table in seconds', () => {
    const graceMs = (text: string) => loadConfig({ ...MINIMAL, ASSENT_JWKS_GRACE_SECONDS: text }).tokens.jwksGraceMs;
    expect([graceMs('0'), graceMs('86400'), graceMs('7776000')]).toEqual([0, 86_400_000, 7_776_000_000]);
    expect(problemsOf({ ...MINIMAL, ASSENT_JWKS_GRACE_SECONDS: '-1' })[0]).toContain(
      'ASSENT_JWKS_GRACE_SECONDS must be',
    );
  });

  // A secret in a place that is not meant for it: a password that is not percent-encoded, a variable or a file by mistake.
  it.each([
    ['a password with "?" in it', { DATABASE_URL: 'postgres://assent:443?hunter2Part@db/app' }],
    ['a password with "&" in it', { DATABASE_URL: 'postgres://u@h/db?password=abc&hunter2Part' }],
    ['a password with "&" and "=" in it', { DATABASE_URL: 'postgres://u@h/db?password=a&hunter2=b' }],
    [
      'an issuers file that is no YAML',
      { ASSENT_ISSUERS: file('broken.yaml', 'issuers:\n - {keys: "hunter2", a: [b}') },
    ],
    ['an environment file as the issuers file', { ASSENT_ISSUERS: file('env.yaml', 'SECRET=hunter2: x: y') }],
    ['an unknown key of the issuers file', { ASSENT_ISSUERS: file('key.yaml', 'hunter2: x') }],
    ['a secret as a kind of token', { ASSENT_JWT_TYPES: 'hunter2' }],
  ])('loadConfig repeats no part of %s in an error', (_name, change) => {
    const problems = problemsOf({ ...MINIMAL, ...change });
    expect(problems.length).toBeGreaterThan(0);
    expect(problems.join('\n')).not.toContain('hunter2');
  });

  describe('the file of issuers', () => {
    const FILE = `issuers:
  - issuer: https://app.example.com/api/auth
    keys: database
    audiences: [https://api.example.com]
    types: [at+jwt]
  - { issuer: https://id.example.org, keys: "https://id.example.org/jwks", audiences: [api, shop] }
`;
    const LISTED = [
      {
        issuer: 'https://app.example.com/api/auth',
        keys: 'database',
        audiences: ['https://api.example.com'],
        types: ['at+jwt'],
      },
      {
        issuer: 'https://id.example.org',
        keys: new URL('https://id.example.org/jwks'),
        audiences: ['api', 'shop'],
        types: ['JWT'],
      },
    ];
    const withFile = (text: string, change: Record<string, string | undefined> = {}) => ({
      ...MINIMAL,
      ASSENT_ISSUERS: file('issuers.yaml', text),
      ...change,
    });

    it('the file of issuers adds to the issuer of the single variables', () => {
      expect(loadConfig(withFile(FILE)).tokens.issuers).toEqual([{ ...OWN, types: ['JWT'] }, ...LISTED]);
    });

    it.each([
      ['where nothing describes another one', { BETTER_AUTH_URL: undefined }],
      ['where ASSENT_JWKS is off', { ASSENT_JWKS: 'off' }],
      ['where ASSENT_JWKS is off and there is no secret', { ASSENT_JWKS: 'off', BETTER_AUTH_SECRET: undefined }],
    ])('the file of issuers is enough %s', (_name, change) => {
      expect(loadConfig(withFile(FILE, change)).tokens.issuers).toEqual(LISTED);
    });

    it('the file of issuers does not complete the single variables', () => {
      const change = { BETTER_AUTH_URL: undefined, ASSENT_JWT_ISSUER: 'https://issuer' };
      expect(problemsOf(withFile(FILE, change))).toEqual([expect.stringMatching('^ASSENT_JWT_AUDIENCE must be set')]);
    });

    it.each([
      [{ BETTER_AUTH_URL: 'https://id.example.org/api/auth' }],
      [{ ASSENT_JWT_ISSUER: 'https://id.example.org' }],
    ])('the file of issuers must not describe an issuer that the variables describe: %j', (change) => {
      expect(problemsOf(withFile(FILE, change))).toEqual([
        'ASSENT_ISSUERS names https://id.example.org, and so do ASSENT_JWT_ISSUER or BETTER_AUTH_URL: leave one of them out. With ASSENT_JWKS=off the file alone counts.',
      ]);
      expect(problemsOf(withFile(FILE, { ...change, ASSENT_JWKS: 'off' }))).toEqual([]);
    });

    const one = (rest: string) => `issuers: [{ issuer: a, ${rest} }]`;
    it.each<[string, string, readonly string[]]>([
      ['nothing', '', ['the file: ']],
      ['a list', '- issuer: a', ['the file: ']],
      ['no issuer', 'issuers: []', ['the file.issuers: must have at least one.']],
      ['an unknown section', `${FILE}isuers: []`, ['the file: has the unknown key isuers; known are']],
      [
        'an unknown key',
        one('keys: database, audience: [b], audiences: [b]'),
        ['the file.issuers.0: has the unknown key audience; known are'],
      ],
      [
        'neither keys nor audiences',
        one(''),
        ['the file.issuers.0.keys: must be text.', 'the file.issuers.0.audiences: must be a list.'],
      ],
      [
        'an empty list of audiences',
        one('keys: database, audiences: []'),
        ['the file.issuers.0.audiences: must name at least one.'],
      ],
      [
        'an empty audience',
        one('keys: database, audiences: [""]'),
        ['the file.issuers.0.audiences.0: must not be empty.'],
      ],
      [
        'audiences that are no list',
        one('keys: database, audiences: b'),
        ['the file.issuers.0.audiences: must be a list.'],
      ],
      [
        'an empty issuer',
        'issuers: [{ issuer: "", keys: database, audiences: [b] }]',
        ['the file.issuers.0.issuer: must not be empty.'],
      ],
      [
        'an issuer that is a number',
        'issuers: [{ issuer: 7, keys: database, audiences: [b] }]',
        ['the file.issuers.0.issuer: must be text.'],
      ],
      [
        'an issuer twice',
        'issuers: [{ issuer: a, keys: database, audiences: [b] }, { issuer: a, keys: database, audiences: [c] }]',
        ['the file.issuers.1.issuer: names a again.'],
      ],
      [
        'keys that are nowhere',
        one('keys: somewhere, audiences: [b]'),
        ['the file.issuers.0.keys: must be "database" or an http(s) URL of a JWKS document.'],
      ],
      [
        'keys with a password',
        one('keys: "https://x:hunter2@id/jwks", audiences: [b]'),
        ['the file.issuers.0.keys: must be a URL without a user or password.'],
      ],
      [
        'a kind that is never taken',
        one('keys: database, audiences: [b], types: [JWT, logout+jwt]'),
        ['the file.issuers.0.types.1: names a kind that is not known; the known kinds are JWT and at+jwt.'],
      ],
      [
        'no kind',
        one('keys: database, audiences: [b], types: []'),
        ['the file.issuers.0.types: must name at least one.'],
      ],
      ['a key twice', one('keys: database, audiences: [b], keys: database'), ['is not YAML at character ']],
      ['YAML that is none', 'issuers: [', ['is not YAML at character ']],
    ])('the file of issuers is refused with %s', (_name, text, expected) => {
      const problems = problemsOf(withFile(text));
      expect(problems).toHaveLength(expected.length);
      for (const [index, start] of expected.entries()) expect(problems[index]).toContain(`ASSENT_ISSUERS ${start}`);
      expect(problems.join()).not.toContain('hunter2');
    });

    it('the file of issuers is refused when it cannot be read', () => {
      expect(problemsOf({ ...MINIMAL, ASSENT_ISSUERS: join(folder, 'missing.yaml') })).toEqual([
        'ASSENT_ISSUERS names a file that cannot be read (ENOENT).',
      ]);
    });
  });

  describe('listen addresses', () => {
    it.each(['0.0.0.0:50051', '10.0.0.1:1', '[::]:50051', 'example.com:50051', '127.example.com:1', '1270.0.0.1:1'])(
      'loadConfig refuses %s without authentication',
      (address) => {
        expect(problemsOf({ ...MINIMAL, ASSENT_GRPC_ADDRESS: address })).toHaveLength(1);
        expect(problemsOf({ ...MINIMAL, ASSENT_HTTP_ADDRESS: address })).toHaveLength(1);
      },
    );

    it.each(['127.0.0.1:0', '127.9.9.9:1', '[::1]:50051', 'localhost:1', 'unix:/run/assent.sock'])(
      'loadConfig accepts %s without authentication',
      (address) => {
        expect(problemsOf({ ...MINIMAL, ASSENT_GRPC_ADDRESS: address, ASSENT_HTTP_ADDRESS: address })).toEqual([]);
      },
    );

    it('loadConfig accepts an open address with caller tokens, with client certificates, or with the operator’s explicit consent', () => {
      const open = { ...MINIMAL, ASSENT_GRPC_ADDRESS: '0.0.0.0:50051' };
      const callers = file('callers', `# services\norders: ${'ab'.repeat(32)}\n`);
      expect(problemsOf({ ...open, ASSENT_CALLER_TOKENS: callers })).toEqual([]);
      expect(problemsOf({ ...open, ...tls, ASSENT_TLS_CLIENT_CA: file('ca', authority.cert) })).toEqual([]);
      expect(problemsOf({ ...open, ASSENT_INSECURE: '1' })).toEqual([]);
      // TLS alone authenticates the server, not the caller.
      expect(problemsOf({ ...open, ...tls })).toHaveLength(1);
      expect(problemsOf({ ...open, ASSENT_INSECURE: 'yes' })).toHaveLength(1);
    });

    it('loadConfig accepts an open address with a file of callers, which it gives back with its callers', () => {
      const text = `callers: [{ name: orders, tokens: [{ sha256: ${'ab'.repeat(32)} }] }]`;
      const path = file('callers.yaml', text);
      const config = loadConfig({ ...MINIMAL, ASSENT_GRPC_ADDRESS: '0.0.0.0:50051', ASSENT_CALLERS: path });
      expect(config.callersFile).toMatchObject({ path, text, place: { hasClientCertificates: false, workers: 1 } });
      expect(config.callersFile?.entries.map(({ name }) => name)).toEqual(['orders']);
    });

    it('loadConfig gives all problems of a file of callers by line and column, and no other problem that follows', () => {
      const path = file('bad-callers.yaml', 'callers:\n  - name: hunter2 hunter2\n    token: hunter2\n');
      const open = { ...MINIMAL, ASSENT_GRPC_ADDRESS: '0.0.0.0:1', ASSENT_HTTP_ADDRESS: '0.0.0.0:2' };
      const problems = problemsOf({ ...open, ASSENT_CALLERS: path });
      expect(problems).toEqual([
        expect.stringMatching(/^ASSENT_CALLERS line 2, column 5: callers\[0\] must have tokens or certificates/),
        expect.stringMatching(/^ASSENT_CALLERS line 2, column 11: callers\[0\].name must be 1 to 64 /),
        expect.stringMatching(/^ASSENT_CALLERS line 3, column 5: callers\[0\] has an unknown key; /),
      ]);
      expect(problems.join()).not.toContain('hunter2');
    });

    it('loadConfig refuses a file of callers beside caller tokens', () => {
      const tokens = file('tokens', `orders: ${'ab'.repeat(32)}\n`);
      const callers = file('some-callers.yaml', `callers: [{ name: a, tokens: [{ sha256: ${'ab'.repeat(32)} }] }]`);
      expect(problemsOf({ ...MINIMAL, ASSENT_CALLER_TOKENS: tokens, ASSENT_CALLERS: callers })).toEqual([
        'ASSENT_CALLERS and ASSENT_CALLER_TOKENS must not be set together: leave one of them out.',
      ]);
    });

    it('loadConfig refuses certificates of callers where no client certificate is asked for', () => {
      const callers = file('certificates.yaml', 'callers: [{ name: a, certificates: [a.internal] }]');
      const environment = { ...MINIMAL, ASSENT_CALLERS: callers };
      expect(problemsOf(environment)).toEqual([
        'ASSENT_CALLERS line 1, column 36: callers[0].certificates needs ASSENT_TLS_CLIENT_CA.',
      ]);
      expect(problemsOf({ ...environment, ...tls, ASSENT_TLS_CLIENT_CA: file('ca', authority.cert) })).toEqual([]);
    });

    it.each([
      ['an empty file', ''],
      ['a token in place of its digest', 'orders: my-token'],
      ['the digest of an empty token', `orders: ${createHash('sha256').digest('hex').toUpperCase()}`],
      ['a name twice', `a: ${'ab'.repeat(32)}\na: ${'cd'.repeat(32)}`],
    ])('loadConfig refuses caller tokens in %s', (_name, text) => {
      expect(problemsOf({ ...MINIMAL, ASSENT_CALLER_TOKENS: file('bad', text) })[0]).toContain('ASSENT_CALLER_TOKENS');
    });

    it('loadConfig refuses a missing file, and a certificate without its key or a key without its certificate', () => {
      expect(problemsOf({ ...MINIMAL, ASSENT_CALLER_TOKENS: join(folder, 'missing') })[0]).toContain('ENOENT');
      expect(problemsOf({ ...MINIMAL, ASSENT_TLS_CERT: tls.ASSENT_TLS_CERT })[0]).toContain('together');
      expect(problemsOf({ ...MINIMAL, ASSENT_TLS_KEY: tls.ASSENT_TLS_KEY })[0]).toContain('together');
      // Callers would be asked for certificates on a port without TLS: every client could call.
      const open = {
        ...MINIMAL,
        ASSENT_GRPC_ADDRESS: '0.0.0.0:50051',
        ASSENT_TLS_CLIENT_CA: file('ca', authority.cert),
      };
      expect(problemsOf(open)).toContain('ASSENT_TLS_CLIENT_CA needs ASSENT_TLS_CERT and ASSENT_TLS_KEY.');
    });

    it.each(['ASSENT_TLS_CLIENT_CA', 'ASSENT_CALLER_TOKENS', 'ASSENT_CALLERS'])(
      'loadConfig names only %s when that file cannot be read',
      (name) => {
        const open = { ...MINIMAL, ...tls, ASSENT_GRPC_ADDRESS: '0.0.0.0:1', ASSENT_HTTP_ADDRESS: '0.0.0.0:2' };
        expect(problemsOf({ ...open, [name]: join(folder, 'missing') })).toEqual([
          `${name} names a file that cannot be read (ENOENT).`,
        ]);
      },
    );

    it('loadConfig refuses a certificate and a key that do not match, and gives the required order of certificates', () => {
      const environment = { ...MINIMAL, ...tls };
      const together = /^ASSENT_TLS_CERT and ASSENT_TLS_KEY do not belong together: the first certificate /;
      const other = file('other-key', authority.issue('server').key);
      expect(problemsOf({ ...environment, ASSENT_TLS_KEY: other })).toEqual([expect.stringMatching(together)]);
      const issuerFirst = file('issuer-first', authority.cert + server.cert);
      expect(problemsOf({ ...environment, ASSENT_TLS_CERT: issuerFirst })).toEqual([expect.stringMatching(together)]);
      const issuerLast = file('issuer-last', server.cert + authority.cert);
      expect(problemsOf({ ...environment, ASSENT_TLS_CERT: issuerLast })).toEqual([]);
    });

    it('loadConfig names the variables of files that OpenSSL refuses', () => {
      const pair = createAuthority('weak', () => generateKeyPairSync('rsa', { modulusLength: 1024 })).issue('server');
      const weak = { ASSENT_TLS_CERT: file('weak', pair.cert), ASSENT_TLS_KEY: file('weak-key', pair.key) };
      expect(problemsOf({ ...MINIMAL, ...weak })).toEqual([
        'ASSENT_TLS_CERT and ASSENT_TLS_KEY cannot be used for TLS (ERR_SSL_EE_KEY_TOO_SMALL).',
      ]);
    });

    it('loadConfig accepts several certificates in a file with text between them, and a certificate and its key in one file', () => {
      const several = file('several', `first\n${authority.cert}second\n${createAuthority('others').cert}`);
      const both = file('both', server.cert + server.key);
      const environment = { ASSENT_TLS_CERT: both, ASSENT_TLS_KEY: both, ASSENT_TLS_CLIENT_CA: several };
      expect(problemsOf({ ...MINIMAL, ...environment })).toEqual([]);
    });

    it('loadConfig refuses a key with a passphrase, which cannot be entered', () => {
      const encryption = { type: 'pkcs8', format: 'pem', cipher: 'aes-128-cbc', passphrase: 'hunter2' } as const;
      const key = String(createPrivateKey(server.key).export(encryption));
      expect(problemsOf({ ...MINIMAL, ...tls, ASSENT_TLS_KEY: file('locked', key) })).toEqual([
        'ASSENT_TLS_KEY names a file without a private key in PEM, unencrypted.',
      ]);
    });

    // Node takes an empty file for none and trusts its public authorities; certificates it cannot parse it passes over.
    describe.each(['ASSENT_TLS_CERT', 'ASSENT_TLS_KEY', 'ASSENT_TLS_CLIENT_CA'])('TLS files: %s', (name) => {
      it.each([
        ['an empty file', ''],
        ['blank lines', ' \n\n'],
        ['something else', 'hunter2'],
        ['nothing between its markers', pem('')],
        ['something else between its markers', pem('hunter2')],
        ['what is cut off', (name === 'ASSENT_TLS_KEY' ? server.key : server.cert).slice(0, 100)],
        ['the other kind', name === 'ASSENT_TLS_KEY' ? server.cert : server.key],
        ...(name === 'ASSENT_TLS_KEY'
          ? []
          : [['one that is broken after one that is not', server.cert + pem('hunter2')]]),
      ])('loadConfig refuses a TLS file with unusable content: %s', (_what, text) => {
        const environment = { ASSENT_TLS_CLIENT_CA: file('ca', authority.cert), [name]: file('bad', String(text)) };
        const problems = problemsOf({ ...MINIMAL, ...tls, ...environment, ASSENT_GRPC_ADDRESS: '0.0.0.0:1' });
        expect(problems).toEqual([expect.stringMatching(new RegExp(`^${name} names a file `))]);
        expect(problems.join()).not.toContain('hunter2');
      });
    });
  });

  it.each(['sslrootcert', 'sslcert', 'sslkey'])(
    'loadConfig checks the file that DATABASE_URL names as its %s',
    (name) => {
      const pair = file('pair', server.cert + server.key);
      const both = name === 'sslrootcert' ? {} : { sslcert: pair, sslkey: pair };
      const problems = (path: string) => {
        const query = new URLSearchParams({ sslmode: 'verify-full', ...both, [name]: path });
        return problemsOf({ ...MINIMAL, DATABASE_URL: `${MINIMAL.DATABASE_URL}?${query}` });
      };
      expect(problems(file('pair', server.cert + server.key))).toEqual([]);
      expect(problems(join(folder, 'missing'))).toEqual([
        `DATABASE_URL: its ${name} names a file that cannot be read (ENOENT).`,
      ]);
      // Node would trust its own list of authorities in its place.
      expect(problems(file('empty', ''))).toEqual([expect.stringMatching(`^DATABASE_URL: its ${name} names a file `)]);
    },
  );

  it('loadConfig parses renamed models and fields', () => {
    const { naming } = loadConfig({ ...MINIMAL, ASSENT_NAMING: 'plural,user=people,user.email=mail' }).database;
    expect(naming.tables).toBe('plural');
    expect([...naming.renamed]).toEqual([
      ['user', 'people'],
      ['user.email', 'mail'],
    ]);
  });
});
