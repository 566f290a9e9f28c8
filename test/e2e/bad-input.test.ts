/** Whatever a caller sends, through every protocol: the contract's error, nothing allowed that should not be, no crash. */
import { createHmac, generateKeyPairSync } from 'node:crypto';
import type { JsonObject } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { SignJWT } from 'jose';
import pg from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';
import { leastPrivilegeUrl } from '../../tools/assent/least-privilege.ts';
import { TEST_SECRET } from '../support/application.ts';
import { testDatabase } from '../support/database.ts';
import type { Answer, MethodName, ProtocolClient } from '../support/protocol-clients/client.ts';
import { openProtocols, PROTOCOLS } from '../support/protocols.ts';
import { createSeed } from '../support/seed.ts';
import { settingsFor } from '../support/settings.ts';
import { applicationTemplate } from '../support/template.ts';

const PERMISSION = 'organization:delete';
const database = await testDatabase(await applicationTemplate('plural'));
const pool = new pg.Pool({ connectionString: database.url });
const seed = createSeed(pool);
const owner = await seed.user();
const other = await seed.user();
const organization = await seed.organization();
await seed.member(owner, organization, 'owner');
for (let count = 0; count < 3; count += 1) await seed.member(other, await seed.organization(), 'member');
const joiner = await seed.user();
for (let count = 0; count < 51; count += 1) await seed.member(joiner, await seed.organization(), 'member');
await pool.end();

const protocols = openProtocols({
  ...settingsFor(leastPrivilegeUrl(database.url)),
  LOG_LEVEL: 'debug',
});

const NOW = Math.floor(Date.now() / 1_000);
const CLAIMS = {
  userId: owner,
  email: 'owner@example.com',
  role: 'user',
  organizationId: organization,
  isActive: true,
  iat: NOW,
  exp: NOW + 3_600,
};
const part = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const hmac = (signed: string, hash = 'sha256'): string =>
  createHmac(hash, TEST_SECRET).update(signed).digest('base64url');
const sign = (payload: unknown, header: object = { alg: 'HS256' }, hash?: string): string => {
  const signed = `${part(header)}.${part(payload)}`;
  return `${signed}.${hmac(signed, hash)}`;
};
const without = (name: keyof typeof CLAIMS): object => ({ ...CLAIMS, [name]: undefined });
const GOOD = sign(CLAIMS);
const [header = '', payload = '', signature = ''] = GOOD.split('.');
const { privateKey } = generateKeyPairSync('ed25519');
const unknownKey = await new SignJWT({ ...CLAIMS })
  .setProtectedHeader({ alg: 'EdDSA', kid: 'nobody' })
  .sign(privateKey);

const BAD_TOKENS: readonly (readonly [string, string, string])[] = [
  ['no token', 'x', 'TOKEN_MALFORMED'],
  ['a session token', 'OgvDbPNGTx0nSgbKZIQwLkEEnrvWs2hy.c2lnbmF0dXJl', 'TOKEN_MALFORMED'],
  ['cut within the signature', GOOD.slice(0, -3), 'TOKEN_SIGNATURE_INVALID'],
  ['cut before the signature', `${header}.${payload}`, 'TOKEN_MALFORMED'],
  ['without its signature', `${header}.${payload}.`, 'TOKEN_MALFORMED'],
  ['with another payload', `${header}.${part({ ...CLAIMS, userId: other })}.${signature}`, 'TOKEN_SIGNATURE_INVALID'],
  ['with another header', `${part({ alg: 'HS256', kid: 'k' })}.${payload}.${signature}`, 'TOKEN_SIGNATURE_INVALID'],
  ['with another signature', `${header}.${payload}.${hmac('other')}`, 'TOKEN_SIGNATURE_INVALID'],
  ['expired', sign({ ...CLAIMS, exp: NOW - 1 }), 'TOKEN_EXPIRED'],
  ['from the future (iat)', sign({ ...CLAIMS, iat: NOW + 600 }), 'TOKEN_NOT_YET_VALID'],
  ['from the future (nbf)', sign({ ...CLAIMS, nbf: NOW + 600 }), 'TOKEN_NOT_YET_VALID'],
  ['with alg none', `${part({ alg: 'none' })}.${payload}.`, 'TOKEN_ALGORITHM_REFUSED'],
  ['with HS384', sign(CLAIMS, { alg: 'HS384' }, 'sha384'), 'TOKEN_ALGORITHM_REFUSED'],
  ['with HS512', sign(CLAIMS, { alg: 'HS512' }, 'sha512'), 'TOKEN_ALGORITHM_REFUSED'],
  ['of a key that is not published', unknownKey, 'TOKEN_KEY_UNKNOWN'],
  ['with a claim twice', sign(`${JSON.stringify(CLAIMS).slice(0, -1)},"userId":"${other}"}`), 'TOKEN_MALFORMED'],
  ['without exp', sign(without('exp')), 'TOKEN_CLAIMS_INVALID'],
  ['without userId', sign(without('userId')), 'TOKEN_CLAIMS_INVALID'],
  ['without isActive', sign(without('isActive')), 'TOKEN_CLAIMS_INVALID'],
  ['with isActive as text', sign({ ...CLAIMS, isActive: 'true' }), 'TOKEN_CLAIMS_INVALID'],
  [
    'that is a mailed link',
    sign({ email: 'a@example.com', userId: owner, iat: NOW, exp: NOW + 60 }),
    'TOKEN_CLAIMS_INVALID',
  ],
  ['that is a session cookie', sign({ ...CLAIMS, session: {}, user: {} }), 'TOKEN_CLAIMS_INVALID'],
];

const HOSTILE: readonly string[] = [
  "' OR '1'='1",
  "'; DROP TABLE users; --",
  '__proto__',
  'constructor',
  '\0',
  `${owner}\0`,
  ` ${owner} `,
  owner.toUpperCase(),
  `${owner}%`,
  '*',
  '*:*',
  'a:b:c',
  '../../etc/passwd',
  '$(id)',
  '{{7*7}}',
  '\u202e\u2066',
  '🙂'.repeat(60),
  '\n\r\t',
  'true',
  'null',
  '[object Object]',
  '%00',
  '99999999999999999999999',
];

/** Each text field of each request: its number, and the rest of a request in which only it is wrong. */
const FIELDS: readonly (readonly [MethodName, string, number, JsonObject])[] = [
  ['VerifyToken', 'token', 1, {}],
  ['CheckPermission', 'user_id', 1, { organizationId: organization, permission: PERMISSION }],
  ['CheckPermission', 'token', 2, { organizationId: organization, permission: PERMISSION }],
  ['CheckPermission', 'organization_id', 3, { userId: owner, permission: PERMISSION }],
  ['CheckPermission', 'permission', 5, { userId: owner, organizationId: organization }],
  ['ListPermissions', 'user_id', 1, { organizationId: organization }],
  ['ListPermissions', 'token', 2, { organizationId: organization }],
  ['ListPermissions', 'organization_id', 3, { userId: owner }],
  ['GetUser', 'user_id', 1, {}],
  ['GetUser', 'email', 2, {}],
  ['GetOrganization', 'organization_id', 1, {}],
  ['GetOrganization', 'slug', 2, {}],
  ['ListUserOrganizations', 'user_id', 1, {}],
  ['ListUserOrganizations', 'page_token', 3, { userId: other }],
];

const camelCase = (name: string): string => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
/** A message of text fields, by number, with whatever bytes they should hold. */
const bytesOf = (...fields: readonly (readonly [number, Uint8Array])[]): Uint8Array => {
  const writer = new BinaryWriter();
  for (const [number, bytes] of fields) writer.tag(number, WireType.LengthDelimited).bytes(bytes);
  return writer.finish();
};
const NUMBERS: Readonly<Record<string, number>> = { organizationId: 3, permission: 5, userId: 1 };
const withBytes = (number: number, bytes: Uint8Array, rest: JsonObject): Uint8Array =>
  bytesOf(...Object.entries(rest).map(([name, value]) => [NUMBERS[name] ?? 0, Buffer.from(String(value))] as const), [
    number,
    bytes,
  ]);

/** What no message may hold: the inside of the service. */
const INSIDE =
  /select|insert|postgres|relation|column|sqlstate|127\.0\.0\.1|localhost|slonik|ioredis|redis|nats|node_modules|\bat \w+ \(|\.ts:|zod/i;

const violations = (answer: Answer): unknown => answer.details[0]?.['fieldViolations'];
const expectInvalid = (answer: Answer, field: string): void => {
  expect(answer.code, answer.message).toBe('INVALID_ARGUMENT');
  expect(answer.details).toHaveLength(1);
  expect(answer.details[0]?.['@type']).toBe('google.rpc.BadRequest');
  const named = (violations(answer) as readonly JsonObject[]).map((one) => one['field'] ?? '');
  expect(named).toContain(field);
  expect(answer.message).not.toMatch(INSIDE);
};
const expectError = (answer: Answer, code: string, reason: string): void => {
  expect(answer.code, answer.message).toBe(code);
  expect(answer.details).toEqual([{ '@type': 'google.rpc.ErrorInfo', reason, domain: 'assent' }]);
  expect(answer.message).not.toMatch(INSIDE);
};
const check = (change: JsonObject): JsonObject => ({
  userId: owner,
  organizationId: organization,
  permission: PERMISSION,
  ...change,
});

describe.each(PROTOCOLS)('$name', (protocol) => {
  let client: ProtocolClient;
  const call = (method: MethodName, request: JsonObject): Promise<Answer> => client.call(method, request);
  beforeAll(async () => {
    client = await protocols.client(protocol);
  });
  // Each test leaves a service that still answers, and answers rightly.
  const stillRight = async (): Promise<void> => {
    expect((await call('CheckPermission', check({}))).response).toMatchObject({ allowed: true });
    expect((await call('CheckPermission', check({ userId: other }))).response).toMatchObject({ allowed: false });
  };

  it('a genuine token is accepted, with and without Bearer', async () => {
    for (const token of [GOOD, `Bearer ${GOOD}`, `bearer  ${GOOD}`]) {
      expect((await call('VerifyToken', { token })).response).toMatchObject({ principal: { userId: owner } });
    }
  });

  it.each(BAD_TOKENS)('a token %s is refused by every method', async (_name, token, reason) => {
    for (const [method, request] of [
      ['VerifyToken', { token }],
      ['CheckPermission', { token, permission: PERMISSION }],
      ['ListPermissions', { token }],
    ] as const) {
      expectError(await call(method, request), 'UNAUTHENTICATED', reason);
    }
    const checks = [{ token, permission: PERMISSION }, check({})];
    const batch = await call('BatchCheckPermissions', { checks });
    expect(batch.response?.['results']).toMatchObject([
      { error: { code: 16, reason, message: expect.not.stringMatching(INSIDE) } },
      { response: { allowed: true } },
    ]);
  });

  it.each(FIELDS)(
    'the field %s.%s is refused when it is empty, too long or not UTF-8',
    async (method, field, number, rest) => {
      // An empty organization beside a user, an empty page token: the first is missing, the second is the first page.
      const empty = await call(method, { ...rest, [camelCase(field)]: '' });
      if (field === 'page_token') expect(empty.code).toBe('OK');
      else if (!(field === 'organization_id' && 'token' in rest)) expectInvalid(empty, field);
      expectInvalid(await call(method, { ...rest, [camelCase(field)]: 'x'.repeat(8_193) }), field);
      for (const bytes of [[0xff], [0xc3, 0x28], [0xed, 0xa0, 0x80], [0x61, 0xf0, 0x9f]]) {
        const answer = await client.send(method, withBytes(number, Buffer.from(bytes), rest));
        expectInvalid(answer, field);
      }
    },
  );

  it.each(FIELDS)('the field %s.%s takes hostile text as plain text', async (method, field, _number, rest) => {
    const answers = await Promise.all(HOSTILE.map((text) => call(method, { ...rest, [camelCase(field)]: text })));
    for (const [index, answer] of answers.entries()) {
      const text = JSON.stringify(HOSTILE[index]);
      const { code, message, response } = answer;
      expect(['OK', 'NOT_FOUND', 'INVALID_ARGUMENT', 'UNAUTHENTICATED'], `${text}: ${message}`).toContain(code);
      expect(message).not.toMatch(INSIDE);
      expect(response?.['allowed'] ?? false, text).toBe(false);
      expect(response?.['permissions'] ?? [], text).toEqual([]);
      expect(response?.['user'] ?? response?.['organization'] ?? response?.['principal'] ?? null, text).toBeNull();
      if (field === 'user_id') expect(response?.['memberships'] ?? [], text).toEqual([]);
    }
    await stillRight();
  });

  it('unknown ids are denials in decisions, and NOT_FOUND in reads', async () => {
    const answers = await Promise.all([
      call('CheckPermission', check({ userId: 'nobody' })),
      call('CheckPermission', check({ organizationId: 'nowhere' })),
      call('ListPermissions', { userId: 'nobody', organizationId: organization }),
    ]);
    expect(answers.map(({ response }) => response?.['reason'])).toEqual([
      'REASON_USER_NOT_FOUND',
      'REASON_ORGANIZATION_NOT_FOUND',
      'REASON_USER_NOT_FOUND',
    ]);
    for (const lookup of [{ userId: 'nobody' }, { email: 'nobody@example.com' }]) {
      expectError(await call('GetUser', lookup), 'NOT_FOUND', 'USER_NOT_FOUND');
    }
    for (const lookup of [{ organizationId: 'nowhere' }, { slug: 'nowhere' }]) {
      expectError(await call('GetOrganization', lookup), 'NOT_FOUND', 'ORGANIZATION_NOT_FOUND');
    }
    expect((await call('ListUserOrganizations', { userId: 'nobody' })).response).toEqual({
      memberships: [],
      nextPageToken: '',
    });
  });

  it('a oneof without a value is INVALID_ARGUMENT, and so is a user without a scope', async () => {
    expectInvalid(await call('CheckPermission', { organizationId: organization, permission: PERMISSION }), 'subject');
    expectInvalid(await call('ListPermissions', { organizationId: organization }), 'subject');
    expectInvalid(await call('GetUser', {}), 'lookup');
    expectInvalid(await call('GetOrganization', {}), 'lookup');
    expectInvalid(await call('CheckPermission', { userId: owner, permission: PERMISSION }), 'organization_id');
    expectInvalid(await call('ListPermissions', { userId: owner }), 'organization_id');
  });

  it('the last of two values of a oneof in protobuf counts, as the specification says', async () => {
    const fields = (...order: readonly (readonly [number, string])[]): Uint8Array =>
      bytesOf(
        ...[...order, [3, organization], [5, PERMISSION]].map(
          ([number, text]) => [Number(number), Buffer.from(String(text))] as const,
        ),
      );
    const tokenLast = await client.send('CheckPermission', fields([1, owner], [2, 'no token']));
    expectError(tokenLast, 'UNAUTHENTICATED', 'TOKEN_MALFORMED');
    const userLast = await client.send('CheckPermission', fields([2, GOOD], [1, other]));
    expect(userLast.response).toMatchObject({ allowed: false, reason: 'REASON_NOT_A_MEMBER' });
  });

  it('a token without an organization is denied for an unset or empty scope, without a read', async () => {
    const token = sign(without('organizationId'));
    for (const scope of [{}, { organizationId: '' }]) {
      const { response } = await call('CheckPermission', { token, permission: PERMISSION, ...scope });
      expect(response).toMatchObject({ allowed: false, reason: 'REASON_NO_ORGANIZATION', source: 'SOURCE_TOKEN' });
    }
    const inactive = sign({ ...CLAIMS, isActive: false });
    const { response } = await call('CheckPermission', { token: inactive, permission: PERMISSION });
    expect(response).toMatchObject({ allowed: false, reason: 'REASON_USER_INACTIVE', source: 'SOURCE_TOKEN' });
  });

  it('the claims of a token grant nothing', async () => {
    const token = sign({ ...CLAIMS, userId: other, role: 'superadmin', orgRole: 'owner' });
    for (const scope of [{}, { platform: {} }]) {
      const { response } = await call('CheckPermission', { token, permission: PERMISSION, ...scope });
      expect(response).toMatchObject({ allowed: false });
    }
  });

  it('a batch has 1 to 500 checks, and answers each check, duplicates included', async () => {
    expectInvalid(await call('BatchCheckPermissions', {}), 'checks');
    expectInvalid(await call('BatchCheckPermissions', { checks: Array(501).fill(check({})) }), 'checks');
    const one = await call('BatchCheckPermissions', { checks: [check({})] });
    expect(one.response?.['results']).toMatchObject([{ response: { allowed: true } }]);
    const checks = Array.from(
      { length: 500 },
      (_, index) =>
        [check({}), check({ userId: other }), check({ permission: 'bad' }), { token: 'bad', permission: PERMISSION }][
          index % 4
        ] ?? {},
    );
    const { response } = await call('BatchCheckPermissions', { checks });
    const results = response?.['results'] as readonly JsonObject[];
    expect(results).toHaveLength(500);
    for (const [index, result] of results.entries()) {
      const expected = [
        { response: { allowed: true } },
        { response: { allowed: false } },
        { error: { code: 3, reason: `checks[${index}].permission` } },
        { error: { code: 16, reason: 'TOKEN_MALFORMED' } },
      ][index % 4];
      expect(result).toMatchObject(expected ?? {});
    }
  });

  it('invalid page sizes and forged page tokens are refused', async () => {
    for (const pageSize of [-1, 501, 2_147_483_647, -2_147_483_648]) {
      expectInvalid(await call('ListUserOrganizations', { userId: other, pageSize }), 'page_size');
    }
    const unset = await call('ListUserOrganizations', { userId: joiner });
    expect(unset.response?.['memberships']).toHaveLength(50);
    const rest = await call('ListUserOrganizations', {
      userId: joiner,
      pageSize: 500,
      pageToken: unset.response?.['nextPageToken'] ?? '',
    });
    expect(rest.response).toMatchObject({ memberships: [{}], nextPageToken: '' });
    const first = await call('ListUserOrganizations', { userId: other, pageSize: 1 });
    const token = String(first.response?.['nextPageToken']);
    const second = await call('ListUserOrganizations', { userId: other, pageSize: 2, pageToken: token });
    expect(second.response?.['memberships']).toHaveLength(2);
    expect(second.response?.['nextPageToken']).toBe('');
    const bytes = Buffer.from(token, 'base64url');
    const forged = Buffer.concat([bytes.subarray(0, 16), Buffer.from(organization)]).toString('base64url');
    for (const pageToken of ['x', token.slice(0, -4), `${token}A`, forged, Buffer.alloc(48).toString('base64url')]) {
      expectInvalid(await call('ListUserOrganizations', { userId: other, pageToken }), 'page_token');
    }
    expectInvalid(await call('ListUserOrganizations', { userId: owner, pageToken: token }), 'page_token');
  });

  it('an unknown consistency is refused, not taken for a weaker one', async () => {
    expectInvalid(await call('CheckPermission', check({ consistency: 99 })), 'consistency');
    const ask = { userId: owner, organizationId: organization, consistency: 99 };
    expectInvalid(await call('ListPermissions', ask), 'consistency');
  });

  it('bytes that are not a message are INVALID_ARGUMENT', async () => {
    for (const bytes of [[0x0a, 0x05, 0x61], [0xff, 0xff, 0xff, 0xff], [0x0a], [0x00]]) {
      expectInvalid(await client.send('GetUser', Buffer.from(bytes)), '');
    }
  });

  it('metadata of 100 KiB is refused', async () => {
    const metadata = { 'x-long': 'x'.repeat(102_400) };
    // By the transport itself, which has no code of ours.
    expect((await client.call('CheckPermission', check({}), { metadata })).response).toBeNull();
    await stillRight();
  });

  it('a token of 1 MiB is INVALID_ARGUMENT, and a message of more than 4 MiB is refused unread', async () => {
    expectInvalid(await call('VerifyToken', { token: 'x'.repeat(1_048_576) }), 'token');
    const answer = await call('VerifyToken', { token: 'x'.repeat(5 * 1_048_576) });
    expect(answer.code).toBe('RESOURCE_EXHAUSTED');
    await stillRight();
  });
});

it('no bad input is logged as a defect, and no token is in the log', async () => {
  for (const assent of await protocols.assents()) {
    const lines = assent.logs();
    expect(lines.filter(({ level }) => level >= 50)).toEqual([]);
    const text = lines.map((line) => JSON.stringify(line)).join('\n');
    expect(text).not.toContain(signature);
    expect(text).not.toContain(TEST_SECRET);
    expect(assent.stderr()).toBe('');
  }
});
