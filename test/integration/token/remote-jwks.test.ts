import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createJwksCache } from '../../../src/token/jwks-cache.ts';
import { parseJwks, remoteJwks } from '../../../src/token/jwks-sources.ts';
import { createTestKey, refusalOf } from '../../support/token/signing.ts';

let server: Server;
let url: URL;
let respond: RequestListener;
let requests: IncomingMessage[];

beforeEach(async () => {
  requests = [];
  server = createServer((request, response) => {
    requests.push(request);
    respond(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/api/auth/jwks`);
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const json =
  (body: string | Buffer, status = 200, headers: Record<string, string> = {}): RequestListener =>
  (_request, response) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);

const fetchKeys = (options = {}) => remoteJwks(url, options).fetchKeys(AbortSignal.timeout(10_000));

describe('parseJwks', () => {
  it('parseJwks reads kid and JWK of each key and checks neither', () => {
    const keys = [{ kid: 'a', kty: 'OKP' }, { kty: 'EC' }, { kid: 7 }];
    expect(parseJwks(JSON.stringify({ keys, more: 1 }))).toEqual([
      { kid: 'a', jwk: keys[0], alg: null, expiresAt: null },
      { kid: '', jwk: keys[1], alg: null, expiresAt: null },
      { kid: '', jwk: keys[2], alg: null, expiresAt: null },
    ]);
  });

  it.each([
    '',
    'null',
    '[]',
    '{}',
    '{"keys":{}}',
    '{"keys":null}',
    '{"keys":["a"]}',
    '{"keys":[null]}',
    '{"keys":[[]]}',
  ])('parseJwks refuses %j', (text) => {
    expect(() => parseJwks(text)).toThrow();
  });
});

describe('remoteJwks', () => {
  it('remoteJwks reads the keys', async () => {
    respond = json(JSON.stringify({ keys: [{ kid: 'a', kty: 'OKP' }] }));
    expect(await fetchKeys()).toMatchObject([{ kid: 'a' }]);
    expect(requests[0]?.headers.accept).toBe('application/json');
  });

  it.each<[string, () => RequestListener]>([
    ['status 500, even with keys', () => json('{"keys":[]}', 500)],
    ['status 404', () => json('{"keys":[]}', 404)],
    ['status 204', () => (_request, response) => response.writeHead(204).end()],
    ['no JSON', () => json('<html>')],
    ['JSON that is no key set', () => json('{"key":[]}')],
    ['bytes that are not UTF-8', () => json(Buffer.from([0x7b, 0xff, 0x7d]))],
    [
      'a body cut off',
      () => (_request, response) => {
        response.writeHead(200, { 'content-length': '100' });
        response.write('{"keys":[]', () => response.destroy());
      },
    ],
    ['a connection cut off', () => (request) => request.socket.destroy()],
  ])('remoteJwks fails on %s', async (_name, responder) => {
    respond = responder();
    await expect(fetchKeys()).rejects.toThrow();
  });

  it.each([301, 302, 303, 307, 308])('remoteJwks does not follow a redirect (%i)', async (status) => {
    respond = (request, response) =>
      request.url === '/elsewhere'
        ? json('{"keys":[]}')(request, response)
        : response.writeHead(status, { location: '/elsewhere' }).end();
    await expect(fetchKeys()).rejects.toThrow(`status ${status}`);
    expect(requests).toHaveLength(1);
  });

  const padded = (size: number): string => `{"keys":[],"p":"${'x'.repeat(size - 18)}"}`;

  it('remoteJwks reads 1 MiB and not a byte more', async () => {
    respond = json(padded(1_048_576));
    expect(await fetchKeys()).toEqual([]);
    respond = json(padded(1_048_577));
    await expect(fetchKeys()).rejects.toThrow('larger than 1048576 bytes');
  });

  it('remoteJwks counts the bytes after decompression', async () => {
    respond = json(gzipSync(padded(50_000_000)), 200, { 'content-encoding': 'gzip' });
    await expect(fetchKeys()).rejects.toThrow('larger than 1048576 bytes');
  });

  it('remoteJwks stops reading an endless body', async () => {
    const closed = Promise.withResolvers<void>();
    respond = (_request, response) => {
      response.on('close', closed.resolve);
      const write = (target: ServerResponse): void => {
        while (!target.destroyed && target.write('x'.repeat(65_536)));
      };
      response.on('drain', () => write(response));
      write(response);
    };
    await expect(fetchKeys()).rejects.toThrow('larger than');
    await closed.promise;
  });

  it.each<[string, RequestListener]>([
    ['before the headers', () => {}],
    ['in the middle of the body', (_request, response) => response.writeHead(200).write('{"keys":')],
  ])('remoteJwks stops when its signal is aborted while the issuer hangs %s', async (_name, responder) => {
    const hanging = Promise.withResolvers<void>();
    respond = (request, response) => {
      responder(request, response);
      hanging.resolve();
    };
    const controller = new AbortController();
    const keys = remoteJwks(url).fetchKeys(controller.signal);
    await hanging.promise;
    controller.abort(new Error('enough'));
    await expect(keys).rejects.toThrow('enough');
  });

  it.each([
    'file:///etc/passwd',
    'ftp://example.com/jwks',
    'data:application/json,{}',
    'http://user@example.com/',
    'http://:pw@example.com/',
  ])('remoteJwks refuses %s before any request', (text) => {
    expect(() => remoteJwks(new URL(text))).toThrow();
  });
});

describe('a JWKS cache over HTTP', () => {
  it('a JWKS cache over HTTP survives an issuer that hangs, fails and comes back', async () => {
    const old = await createTestKey('EdDSA', 'old');
    const fresh = await createTestKey('EdDSA', 'fresh');
    const body = (...keys: (typeof old)[]): string =>
      JSON.stringify({ keys: keys.map(({ kid, alg, publicJwk }) => ({ ...publicJwk, kid, alg })) });
    let monotonic = 0;
    const clock = { now: () => 0, monotonic: () => monotonic };
    // The timer is out of the way, so that every request is one that a token asked for.
    const set = createJwksCache(remoteJwks(url), {
      clock,
      refreshMs: 3_600_000,
      retryMs: 30_000,
      fetchTimeoutMs: 1_000,
    });
    try {
      respond = json(body(old));
      await set.start();
      respond = () => {};
      expect(await refusalOf(set.find('fresh'))).toBe('TOKEN_KEY_UNKNOWN');
      monotonic += 30_000;
      respond = json(body(old, fresh), 500);
      expect(await refusalOf(set.find('fresh'))).toBe('TOKEN_KEY_UNKNOWN');
      expect(await set.find('old')).toMatchObject({ kid: 'old' });
      monotonic += 30_000;
      respond = json(body(old, fresh));
      expect(await set.find('fresh')).toMatchObject({ kid: 'fresh', algorithm: 'EdDSA' });
      expect(requests).toHaveLength(4);
    } finally {
      set.stop();
    }
  });
});
