/** What only the HTTP server has: JSON as curl sends it, and clients that know HTTP better than its users do. */
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ServingAssent, startAssent } from '../../tools/assent/assent-process.ts';
import { leastPrivilegeUrl } from '../../tools/assent/least-privilege.ts';
import { testDatabase } from '../support/database.ts';
import { portOf } from '../support/port-of.ts';
import { settingsFor } from '../support/settings.ts';
import { applicationTemplate } from '../support/template.ts';

const database = await testDatabase(await applicationTemplate('plural'));
let assent: ServingAssent;
beforeAll(async () => {
  assent = await startAssent(settingsFor(leastPrivilegeUrl(database.url)));
});
afterAll(async () => {
  expect(assent.stderr()).toBe('');
  expect(assent.logs().filter(({ level }) => level >= 50)).toEqual([]);
  expect(await assent.stop()).toEqual({ code: 0, signal: null });
});

it('the start logs one line for each of REDIS_URL, NATS_URL and ASSENT_POLICY that is not set', () => {
  for (const name of ['config.no_redis', 'config.no_nats', 'config.default_policy']) {
    expect(assent.logs().filter(({ event }) => event === name)).toHaveLength(1);
  }
});

const SERVICE = '/assent.auth.v1.AuthService';
const post = (method: string, body: string | Uint8Array, headers: Record<string, string> = {}) =>
  fetch(`${assent.httpUrl}${SERVICE}/${method}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : Buffer.from(body),
  });
const ASK = { userId: 'nobody', platform: {}, permission: 'a:b' };

describe('JSON over HTTP', () => {
  it('a denial in JSON is complete: false is not left out', async () => {
    const response = await post('CheckPermission', JSON.stringify(ASK));
    expect(await response.json()).toMatchObject({
      allowed: false,
      reason: 'REASON_USER_NOT_FOUND',
      grantedBy: '',
      roles: [],
    });
  });

  it('the details of an error in JSON are readable, beside their bytes', async () => {
    const response = await post('GetUser', '{"userId":"nobody"}');
    expect(response.status).toBe(404);
    expect(await response.json()).toEqual({
      code: 'not_found',
      message: 'There is no such user.',
      details: [
        {
          type: 'google.rpc.ErrorInfo',
          value: expect.any(String),
          debug: { reason: 'USER_NOT_FOUND', domain: 'assent', metadata: {} },
        },
      ],
    });
  });

  it.each([
    ['nothing', '', ''],
    ['no JSON', 'eyJhbGciOiJIUzI1NiJ9.secret.secret', ''],
    ['half of it', '{"userId":', ''],
    ['a list', '[]', ''],
    ['a number for text', '{"userId":5}', 'user_id'],
    ['an object for text', '{"permission":{}}', 'permission'],
    ['half a surrogate pair', '{"userId":"\\ud800"}', 'user_id'],
    ['both of the subject', '{"userId":"a","token":"b"}', 'subject'],
    ['both of the scope', '{"organizationId":"a","platform":{}}', 'scope'],
    ['an unknown consistency', '{"consistency":"FULL"}', ''],
    ['an unknown field, which may be a misspelt organization', '{"organisationId":"a"}', 'organisationId'],
    ['bytes that are not UTF-8', Buffer.from('7b22757365724964223a22ff227d', 'hex'), ''],
    ['a long text', JSON.stringify('secret'.repeat(2_000)), ''],
  ])('a request in JSON with a fault is INVALID_ARGUMENT: %s', async (_name, body, field) => {
    for (const headers of [{}, { 'accept-encoding': 'gzip' }]) {
      const response = await post('CheckPermission', body, headers);
      const text = await response.text();
      expect(response.status, text).toBe(400);
      const violation = { field, description: expect.any(String) };
      expect(JSON.parse(text)).toMatchObject({
        code: 'invalid_argument',
        details: [{ debug: { fieldViolations: expect.arrayContaining([violation]) } }],
      });
      // What came may be a token in the wrong place.
      expect(text).not.toContain('secret');
    }
  });

  it('a request in JSON that decompresses to more than 4 MiB is refused', async () => {
    const bomb = gzipSync(Buffer.alloc(16 * 1_048_576, ' '));
    const response = await post('GetUser', bomb, { 'content-encoding': 'gzip' });
    expect(await response.json()).toMatchObject({ code: 'resource_exhausted' });
  });
});

describe('a deadline over HTTP', () => {
  it.each(['soon', '-1', '60001', '99999999999'])('a deadline of %s ms over HTTP is refused', async (timeout) => {
    const response = await post('GetUser', '{"userId":"nobody"}', { 'connect-timeout-ms': timeout });
    expect(await response.json()).toMatchObject({ code: 'invalid_argument' });
  });
});

/** What comes back for these bytes, until the other side closes. */
const raw = (text: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(portOf(assent.httpUrl ?? ''), '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
    });
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
    socket.write(text);
  });
const BODY = JSON.stringify(ASK);
const request = (line: string, ...headers: readonly string[]): string =>
  [
    line,
    ...headers,
    'content-type: application/json',
    `content-length: ${BODY.length}`,
    'connection: close',
    '',
    BODY,
  ].join('\r\n');

describe('the authority of a request', () => {
  it.each([
    ['another host', `POST ${SERVICE}/CheckPermission HTTP/1.1`, ['host: evil.example'], 200],
    ['no host at all', `POST ${SERVICE}/CheckPermission HTTP/1.0`, [], 200],
    ['a host that is none', `POST ${SERVICE}/CheckPermission HTTP/1.1`, ['host: ['], 200],
    ['an empty host', `POST ${SERVICE}/CheckPermission HTTP/1.1`, ['host:'], 200],
    ['a host twice', `POST ${SERVICE}/CheckPermission HTTP/1.1`, ['host: a', 'host: evil.example'], 200],
    ['a whole URL', `POST http://evil.example${SERVICE}/CheckPermission HTTP/1.1`, ['host: evil.example'], 404],
    ['a query that is none', `POST ${SERVICE}/CheckPermission?%&[ HTTP/1.1`, ['host: evil.example'], 200],
    ['an unknown method', `POST ${SERVICE}/DropTables HTTP/1.1`, ['host: evil.example'], 404],
  ])('the authority of a request is neither echoed nor evaluated: %s', async (_name, line, headers, status) => {
    const answer = await raw(request(line, ...headers));
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    if (status === 200) expect(answer).toContain('REASON_USER_NOT_FOUND');
    expect(answer).not.toContain('evil');
  });
});

describe('requests that are not valid', () => {
  it.each([
    ['another content type', { 'content-type': 'text/plain' }, 415],
    ['an unknown compression', { 'content-encoding': 'lzma' }, 501],
    ['headers of 100 KiB', { 'x-long': 'x'.repeat(102_400) }, 431],
  ])('a request that is not valid is refused: %s', async (_name, headers, status) => {
    expect((await post('GetUser', '{"userId":"nobody"}', headers)).status).toBe(status);
  });

  it('a truncated body and a missing body are refused', async () => {
    const cut = connect(portOf(assent.httpUrl ?? ''), '127.0.0.1');
    const closed = new Promise((resolve) => cut.once('close', resolve));
    const headers = 'host: x\r\ncontent-type: application/json\r\ncontent-length: 1000';
    cut.end(`POST ${SERVICE}/GetUser HTTP/1.1\r\n${headers}\r\n\r\n{"user`);
    cut.resume();
    await closed;
    expect((await post('CheckPermission', BODY)).status).toBe(200);
  });
});
