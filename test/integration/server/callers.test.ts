/** What a known caller may do, on both addresses and by every protocol: its methods, its limits, and its certificate. */
import { once } from 'node:events';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { json } from 'node:stream/consumers';
import type { TLSSocket } from 'node:tls';
import { credentials } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { type Certificate, createAuthority } from '../../../tools/network/certificates.ts';
import { sha256 } from '../../support/callers.ts';
import type { ProtocolClient } from '../../support/protocol-clients/client.ts';
import { grpcClient } from '../../support/protocol-clients/grpc.ts';
import { connectClient, grpcWebClient } from '../../support/protocol-clients/http.ts';
import { answerOf, CHECK, check, frame, rawCall, send, withSession } from '../../support/server/raw-call.ts';
import {
  callersFrom,
  changingCallers,
  GRPC_SERVERS,
  openServer,
  type ServerName,
  type TestServer,
} from '../../support/server/test-server.ts';
import { until } from '../../support/until.ts';

const WAYS: readonly (readonly [string, ServerName, (server: TestServer) => ProtocolClient])[] = [
  ['gRPC on the gRPC address', 'grpc', ({ address }) => grpcClient(address)],
  ['gRPC on the HTTP address', 'http', ({ address }) => grpcClient(address)],
  ['Connect', 'http', ({ url }) => connectClient(url)],
  ['gRPC-Web', 'http', ({ url }) => grpcWebClient(url)],
];

const FILE = `
callers:
  - name: everything
    tokens: [{ sha256: ${sha256('everything')} }]
  - name: checks
    tokens:
      - { sha256: ${sha256('old')}, expires: 2000-01-01 }
      - { sha256: ${sha256('checks')}, expires: 9999-01-01 }
    methods: [CheckPermission]
  - name: slow
    tokens: [{ sha256: ${sha256('slow')} }]
    rate: 0.001
  - name: single
    tokens: [{ sha256: ${sha256('single')} }]
    inFlight: 1
  - name: reflects
    tokens: [{ sha256: ${sha256('reflects')} }]
    methods: [grpc.reflection.v1.ServerReflection/ServerReflectionInfo]
`;

const as = (token: string) => ({ authorization: `Bearer ${token}` });
const errorInfo = (reason: string) => ({ '@type': 'google.rpc.ErrorInfo', reason, domain: 'assent' });

let server: TestServer;
let client: ProtocolClient;
afterEach(async () => {
  client?.close();
  await server.stop(100);
  expect(server.defects).toEqual([]);
});

describe.each(WAYS)('%s', (_way, name, open) => {
  const start = async (): Promise<void> => {
    server = await openServer(name, { authenticate: callersFrom(FILE) });
    client = open(server);
  };
  const ask = (token: string, permission = 'now:1', options = {}) =>
    client.call('CheckPermission', { userId: 'u', permission }, { metadata: as(token), ...options });

  it('a caller may call the methods of its entry and no others', async () => {
    await start();
    const batch = (token: string) => client.call('BatchCheckPermissions', { checks: [{}] }, { metadata: as(token) });
    expect((await ask('checks')).code).toBe('OK');
    expect(await batch('checks')).toMatchObject({
      code: 'PERMISSION_DENIED',
      details: [errorInfo('CALLER_METHOD_NOT_ALLOWED')],
    });
    expect((await batch('everything')).code).toBe('OK');
    expect(server.byCaller).toEqual([
      ['checks', 0],
      ['checks', 'CALLER_METHOD_NOT_ALLOWED'],
      ['checks', 7],
      ['everything', 0],
    ]);
  });

  it('a token that has expired is refused', async () => {
    await start();
    expect(await ask('old')).toMatchObject({
      code: 'UNAUTHENTICATED',
      details: [errorInfo('CALLER_UNAUTHENTICATED')],
    });
    expect(server.byCaller).toEqual([[null, 'CALLER_UNAUTHENTICATED']]);
  });

  it('a caller over its rate is refused with the time to wait, and others are not', async () => {
    await start();
    expect((await ask('slow')).code).toBe('OK');
    const { code, details } = await ask('slow');
    expect(code).toBe('RESOURCE_EXHAUSTED');
    expect(details).toEqual([
      errorInfo('CALLER_RATE_EXCEEDED'),
      { '@type': 'google.rpc.RetryInfo', retryDelay: expect.stringMatching(/^(?:1000|999(?:\.\d+)?)s$/) },
    ]);
    expect((await ask('everything')).code).toBe('OK');
  });

  it('a caller has as many calls in flight as its entry says', async () => {
    await start();
    const first = ask('single', 'pending:1');
    await until('the first call', () => server.asked.includes('pending:1'));
    expect(await ask('single')).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      details: [errorInfo('CALLER_IN_FLIGHT_EXCEEDED'), { '@type': 'google.rpc.RetryInfo', retryDelay: '0.100s' }],
    });
    expect((await ask('everything')).code).toBe('OK');
    server.release();
    expect((await first).code).toBe('OK');
    for (let call = 0; call < 20; call += 1) expect((await ask('single', 'later:1')).code).toBe('OK');
  });

  it('a call whose deadline passes is no longer in flight, though its handler goes on', async () => {
    await start();
    for (let call = 0; call < 3; call += 1) {
      expect((await ask('single', 'never:1', { timeoutMs: 50 })).code).toBe('DEADLINE_EXCEEDED');
    }
    await until('the last call to be over', async () => (await ask('single')).code === 'OK');
  });

  it('a message that cannot be read, and one that is refused, end their calls', async () => {
    await start();
    for (let call = 0; call < 3; call += 1) {
      const { code } = await client.send('CheckPermission', Buffer.from([0xff]), { metadata: as('single') });
      expect(code).toBe('INVALID_ARGUMENT');
      expect((await ask('single', 'invalid:1')).code).toBe('INVALID_ARGUMENT');
    }
    expect(server.byCaller).toEqual(Array(6).fill(['single', 3]));
  });
});

describe.each(GRPC_SERVERS)('calls of a caller on the %s address', (name) => {
  it('a defect outside a handler ends the call with INTERNAL, and the server goes on', async () => {
    const defect = new Error('an exporter of traces that throws');
    let fails = true;
    server = await openServer(name, {
      authenticate: callersFrom(FILE),
      traceCall: () => {
        if (fails) throw defect;
        return () => {};
      },
    });
    const ask = () => rawCall(server.url, { headers: as('single'), pieces: [frame(check('now:1'))] });
    expect((await ask()).status).toBe('13');
    fails = false;
    await until('no call in flight', async () => (await ask()).status === '0');
    expect(server.defects.splice(0)).toEqual([defect]);
  });

  it('calls that are reset before their message came do not stay in flight', async () => {
    server = await openServer(name, { authenticate: callersFrom(FILE) });
    await withSession(server.url, async (session) => {
      for (let call = 0; call < 20; call += 1) {
        const stream = send(session, {
          headers: as('single'),
          pieces: [frame(check('now:1')).subarray(0, 3)],
          open: true,
        });
        const closed = once(stream, 'close');
        // Some are reset before the server has seen them, some after.
        if (call % 2 === 0) await new Promise<void>((resolve) => session.ping(() => resolve()));
        stream.close(8);
        await closed;
        await new Promise<void>((resolve) => session.ping(() => resolve()));
      }
      await until('no call in flight', async () => {
        const { status } = await answerOf(send(session, { headers: as('single'), pieces: [frame(check('now:1'))] }));
        return status === '0';
      });
    });
    // Connections that end with their calls.
    for (let call = 0; call < 3; call += 1) {
      await withSession(server.url, async (session) => {
        send(session, { headers: as('single'), open: true });
        await new Promise<void>((resolve) => session.ping(() => resolve()));
      });
    }
    await until('no call in flight', async () => {
      return (await rawCall(server.url, { headers: as('single'), pieces: [frame(check('now:1'))] })).status === '0';
    });
  });

  it('a call over a limit has the delay as grpc-retry-pushback-ms', async () => {
    server = await openServer(name, { authenticate: callersFrom(FILE) });
    const ask = () => rawCall(server.url, { headers: as('slow'), pieces: [frame(check('now:1'))] });
    expect((await ask()).status).toBe('0');
    const { status, headers } = await ask();
    expect(status).toBe('8');
    expect(Number(headers['grpc-retry-pushback-ms'])).toBeGreaterThan(990_000);
  });

  it('reflection needs its own name among the methods, and health needs nothing', async () => {
    server = await openServer(name, { authenticate: callersFrom(FILE) });
    const ask = async (token: string | null, path: string) => {
      const headers = { ':path': path, ...(token === null ? {} : as(token)) };
      return (await rawCall(server.url, { headers, pieces: [frame(new Uint8Array())] })).status;
    };
    const reflection = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';
    expect(await ask('reflects', reflection)).toBe('0');
    expect(await ask('reflects', '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo')).toBe('7');
    expect(await ask('everything', reflection)).toBe('7');
    expect(await ask('reflects', CHECK)).toBe('7');
    for (const token of [null, 'old', 'unknown', 'reflects']) {
      expect(await ask(token, '/grpc.health.v1.Health/Check')).toBe('0');
    }
  });
});

describe.each(GRPC_SERVERS)('reloads among calls on the %s address', (name) => {
  it('a reload refuses no call of a caller that stays, and leaves none in flight, whatever it changes of the limits', async () => {
    const entry = (more: string): string =>
      `callers:\n  - name: orders\n    tokens: [{ sha256: ${sha256('orders')} }]\n${more}`;
    const limits = ['', '    inFlight: 64\n', '    rate: 1000000\n', '    inFlight: 65\n    rate: 999999\n'];
    const callers = changingCallers(entry(''));
    server = await openServer(name, callers);
    const pieces = [frame(check('later:1'))];
    let reloads = 0;
    const reload = setInterval(() => {
      reloads += 1;
      callers.change(entry(limits[reloads % limits.length] ?? ''));
    }, 1);
    try {
      const statuses = new Set<string | undefined>();
      await withSession(server.url, async (session) => {
        const ask = async (): Promise<void> => {
          for (let call = 0; call < 50 || reloads < 20; call += 1) {
            statuses.add((await answerOf(send(session, { headers: as('orders'), pieces }))).status);
          }
        };
        await Promise.all(Array.from({ length: 16 }, ask));
      });
      expect([...statuses]).toEqual(['0']);
    } finally {
      clearInterval(reload);
    }
    // With room for one call, a call that was left behind would refuse all further ones.
    callers.change(entry('    inFlight: 1\n'));
    const { status } = await rawCall(server.url, { headers: as('orders'), pieces });
    expect(status).toBe('0');
  });
});

describe('a caller over HTTP/1.1', () => {
  const headers = { 'content-type': 'application/json', ...as('slow') };
  const post = (body: string, token: string) =>
    fetch(`${server.url}${CHECK}`, { method: 'POST', headers: { ...headers, ...as(token) }, body });

  it('a caller over its rate is answered with 429 and retry-after in whole seconds', async () => {
    server = await openServer('http', { authenticate: callersFrom(FILE) });
    expect((await post('{}', 'slow')).status).toBe(200);
    const { status, headers: got } = await post('{}', 'slow');
    expect(status).toBe(429);
    expect(got.get('retry-after')).toBe('1000');
    expect((await post('{}', 'checks')).status).toBe(200);
  });

  it('requests that break off within their message do not stay in flight', async () => {
    server = await openServer('http', { authenticate: callersFrom(FILE) });
    for (let call = 0; call < 5; call += 1) {
      const sent = requestHttp(`${server.url}${CHECK}`, {
        method: 'POST',
        headers: { ...headers, ...as('single'), expect: '100-continue' },
      });
      sent.on('error', () => {});
      sent.write('{');
      await once(sent, 'continue');
      sent.destroy();
    }
    await until('no call in flight', async () => (await post('{}', 'single')).status === 200);
  });
});

describe('callers with certificates', () => {
  const authority = createAuthority('authority');
  const own = authority.issue('server');
  const tls = { ...own, clientCa: authority.cert };
  const file = `
callers:
  - name: orders
    certificates: [orders.internal]
    methods: [CheckPermission]
  - name: billing
    certificates: ["spiffe://example.org/billing"]
  - name: proxied
    tokens: [{ sha256: ${sha256('proxied')} }]
`;
  const orders = authority.issue('orders', ['DNS:ORDERS.internal']);
  const billing = authority.issue('billing', ['URI:spiffe://example.org/billing']);
  const stranger = authority.issue('orders.internal', ['DNS:other.internal']);
  const both = authority.issue('both', ['DNS:orders.internal', 'URI:spiffe://example.org/billing']);
  const hidden = authority.issue('hidden', ['DNS:x, DNS:orders.internal']);

  describe.each(GRPC_SERVERS)('on the %s address', (name) => {
    it('a certificate stands for the caller that names it, and without a caller it is refused', async () => {
      server = await openServer(name, { tls, authenticate: callersFrom(file) });
      const ask = async (
        { cert, key }: Certificate,
        method: 'CheckPermission' | 'BatchCheckPermissions' = 'CheckPermission',
        metadata = {},
      ) => {
        const channel = credentials.createSsl(Buffer.from(authority.cert), Buffer.from(key), Buffer.from(cert));
        client = grpcClient(server.address, channel);
        const { code } = await client.call(method, method === 'CheckPermission' ? {} : { checks: [{}] }, { metadata });
        client.close();
        return code;
      };
      expect(await ask(orders)).toBe('OK');
      expect(await ask(orders, 'BatchCheckPermissions')).toBe('PERMISSION_DENIED');
      expect(await ask(billing, 'BatchCheckPermissions')).toBe('OK');
      for (const certificate of [stranger, own, both, hidden]) expect(await ask(certificate)).toBe('UNAUTHENTICATED');
      // A proxy passes on the token of its caller.
      expect(await ask(stranger, 'CheckPermission', as('proxied'))).toBe('OK');
      expect(await ask(orders, 'BatchCheckPermissions', as('proxied'))).toBe('OK');
      expect(await ask(orders, 'CheckPermission', as('unknown'))).toBe('UNAUTHENTICATED');
      expect(server.byCaller.filter(([, code]) => code === 0)).toEqual([
        ['orders', 0],
        ['billing', 0],
        ['proxied', 0],
        ['proxied', 0],
      ]);
    });
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'a certificate stands for its caller over HTTP/1.1 and in a resumed session of %s, too',
    async (version) => {
      server = await openServer('http', { tls, authenticate: callersFrom(file) });
      const ask = (certificate: Certificate, session?: Buffer) =>
        new Promise<{ body: unknown; session: Buffer | undefined; reused: boolean }>((resolve, reject) => {
          let next: Buffer | undefined;
          const sent = requestHttps(`${server.url}${CHECK}`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            ca: authority.cert,
            servername: 'localhost',
            agent: false,
            minVersion: version,
            maxVersion: version,
            ...certificate,
            ...(session === undefined ? {} : { session }),
          });
          sent.on('socket', (socket) =>
            socket.on('session', (made: Buffer) => {
              next = made;
            }),
          );
          sent.on('error', reject);
          sent.on('response', async (response) => {
            const socket = response.socket as TLSSocket;
            const reused = socket.isSessionReused();
            resolve({ body: await json(response), session: next, reused });
          });
          sent.end('{}');
        });
      const first = await ask(orders);
      expect(first.body).toMatchObject({ allowed: true });
      const again = await ask(orders, first.session);
      expect(again).toMatchObject({ body: { allowed: true }, reused: true });
      expect(server.byCaller).toEqual([
        ['orders', 0],
        ['orders', 0],
      ]);
      expect((await ask(stranger)).body).toMatchObject({ code: 'unauthenticated' });
    },
  );
});
