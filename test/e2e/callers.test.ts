/** Who may call, and where the service listens: caller tokens, client certificates, and what it refuses to start with. */
import { createHash } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { JsonObject } from '@bufbuild/protobuf';
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ServingAssent, spawnAssent, startAssent } from '../../tools/assent/assent-process.ts';
import { leastPrivilegeUrl } from '../../tools/assent/least-privilege.ts';
import { type Certificate, createAuthority } from '../../tools/network/certificates.ts';
import { testDatabase } from '../support/database.ts';
import { testFolder } from '../support/folder.ts';
import type { MethodName, ProtocolClient } from '../support/protocol-clients/client.ts';
import { grpcClient } from '../support/protocol-clients/grpc.ts';
import { openProtocols, PROTOCOLS } from '../support/protocols.ts';
import { settingsFor } from '../support/settings.ts';
import { applicationTemplate } from '../support/template.ts';

const database = await testDatabase(await applicationTemplate('plural'));
const ENVIRONMENT = settingsFor(leastPrivilegeUrl(database.url));
const { path: folder, file } = testFolder();
const ASK = { userId: 'nobody', platform: {}, permission: 'a:b' };
const ANSWER = { allowed: false, reason: 'REASON_USER_NOT_FOUND' };

const METHODS: readonly (readonly [MethodName, JsonObject])[] = [
  ['VerifyToken', { token: 'x' }],
  ['CheckPermission', ASK],
  ['BatchCheckPermissions', { checks: [ASK] }],
  ['ListPermissions', { userId: 'nobody', platform: {} }],
  ['GetUser', { userId: 'nobody' }],
  ['GetOrganization', { slug: 'nowhere' }],
  ['ListUserOrganizations', { userId: 'nobody' }],
];

/** Calls a method with a message of bytes, and gives back the code and the details' bytes of what came of it. */
const rawCall = (client: Client, path: string, authorization: string | null, body: Buffer): Promise<[number, string]> =>
  new Promise((resolve) => {
    const metadata = new Metadata();
    if (authorization !== null) metadata.set('authorization', authorization);
    const asIs = (bytes: Buffer): Buffer => bytes;
    const call = client.makeBidiStreamRequest(path, asIs, asIs, metadata, { deadline: Date.now() + 5_000 });
    let received = '';
    call.on('data', (bytes: Buffer) => {
      received += bytes.toString('latin1');
    });
    call.on('error', ({ code, metadata: trailers }: ServiceError) =>
      resolve([code, String(trailers.get('grpc-status-details-bin')[0] ?? '')]),
    );
    call.on('end', () => resolve([0, received]));
    call.write(body);
    call.end();
  });

describe('caller tokens', () => {
  const [orders, billing] = ['the-token-of-orders', 'the-token-of-billing'] as const;
  const digest = (token: string): string => createHash('sha256').update(token).digest('hex');
  const lines = `# services\norders: ${digest(orders)}\nbilling: ${digest(billing)}\n`;
  const protocols = openProtocols({ ...ENVIRONMENT, ASSENT_CALLER_TOKENS: file('callers', lines) });

  describe.each(PROTOCOLS)('$name', (protocol) => {
    let client: ProtocolClient;
    beforeAll(async () => {
      client = await protocols.client(protocol);
    });

    it.each([
      ['none', {}],
      ['an empty one', { authorization: '' }],
      ['only the scheme', { authorization: 'Bearer ' }],
      ['an unknown one', { authorization: 'Bearer unknown' }],
      ['one without its scheme', { authorization: orders }],
      ['one of another scheme', { authorization: `Basic ${orders}` }],
      ['the beginning of one', { authorization: `Bearer ${orders.slice(0, -1)}` }],
      ['its digest', { authorization: `Bearer ${digest(orders)}` }],
      ['two at once', { authorization: `Bearer ${orders}, Bearer ${billing}` }],
      ['one in another place', { 'x-authorization': `Bearer ${orders}` }],
    ])('no method answers a caller with this token: %s', async (_name, metadata) => {
      // A connection that is only ever refused is ended, so that each token has its own.
      const stranger = protocol.open(await protocols.assent(protocol));
      const details = [{ '@type': 'google.rpc.ErrorInfo', reason: 'CALLER_UNAUTHENTICATED', domain: 'assent' }];
      for (const [method, request] of METHODS) {
        const answer = await stranger.call(method, request, { metadata });
        expect(answer, method).toMatchObject({ code: 'UNAUTHENTICATED', details, response: null });
      }
      stranger.close();
    });

    it.each([`Bearer ${orders}`, `bearer  ${billing}`])(
      'a caller with this token is answered: %s',
      async (authorization) => {
        const { response } = await client.call('CheckPermission', ASK, { metadata: { authorization } });
        expect(response).toMatchObject(ANSWER);
      },
    );
  });

  it('reflection needs a caller token too; health, probes and metrics are open', async () => {
    for (const protocol of PROTOCOLS.filter(({ name }) => name.startsWith('gRPC'))) {
      const { grpcAddress, httpUrl } = await protocols.assent(protocol);
      const client = new Client(grpcAddress, credentials.createInsecure());
      // list_services, field 7.
      const list = Buffer.from([0x3a, 0x01, 0x2a]);
      for (const version of ['v1', 'v1alpha']) {
        const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
        const [code, details] = await rawCall(client, path, 'Bearer unknown', list);
        expect(code).toBe(16);
        expect(details).toContain('CALLER_UNAUTHENTICATED');
        expect(await rawCall(client, path, `Bearer ${orders}`, list)).toEqual([
          0,
          expect.stringContaining('assent.auth.v1.AuthService'),
        ]);
      }
      // SERVING, of the whole and of the service by its name.
      for (const name of ['', 'assent.auth.v1.AuthService']) {
        const body = Buffer.concat([Buffer.from([0x0a, name.length]), Buffer.from(name)]);
        expect(await rawCall(client, '/grpc.health.v1.Health/Check', null, body)).toEqual([0, '\u0008\u0001']);
      }
      client.close();
      for (const path of ['/livez', '/readyz', '/metrics']) expect((await fetch(`${httpUrl}${path}`)).status).toBe(200);
    }
  });
});

describe('client certificates', () => {
  const authority = createAuthority('authority of the test');
  const server = authority.issue('server');
  const stranger = createAuthority('authority of the test').issue('stranger');
  let assent: ServingAssent;
  beforeAll(async () => {
    assent = await startAssent({
      ...ENVIRONMENT,
      ASSENT_TLS_CERT: file('cert.pem', server.cert),
      ASSENT_TLS_KEY: file('key.pem', server.key),
      ASSENT_TLS_CLIENT_CA: file('ca.pem', authority.cert),
    });
  });
  afterAll(async () => {
    expect(await assent.stop()).toEqual({ code: 0, signal: null });
    expect(assent.stderr()).toBe('');
  });

  const overGrpc = async (address: string, client: Certificate | null): Promise<unknown> => {
    const channel =
      client === null
        ? credentials.createSsl(Buffer.from(authority.cert))
        : credentials.createSsl(Buffer.from(authority.cert), Buffer.from(client.key), Buffer.from(client.cert));
    const protocol = grpcClient(address, channel);
    const { code, response } = await protocol.call('CheckPermission', ASK, { timeoutMs: 3_000 });
    protocol.close();
    return response ?? code;
  };
  const overHttps = (client: Certificate | null): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const options: RequestOptions = {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        ca: authority.cert,
        agent: false,
        // What the certificate names, since an address is no server name.
        servername: 'localhost',
        ...(client === null ? {} : { cert: client.cert, key: client.key }),
      };
      const url = `https://${new URL(assent.httpUrl ?? '').host}/assent.auth.v1.AuthService/CheckPermission`;
      const sent = httpsRequest(url, options, (response) => resolve(text(response).then((body) => JSON.parse(body))));
      sent.on('error', reject);
      sent.end(JSON.stringify(ASK));
    });

  it('client certificates of the authority are accepted on both addresses', async () => {
    const client = authority.issue('client');
    expect(await overGrpc(assent.grpcAddress, client)).toMatchObject(ANSWER);
    expect(await overGrpc(new URL(assent.httpUrl ?? '').host, client)).toMatchObject(ANSWER);
    expect(await overHttps(client)).toMatchObject(ANSWER);
  });

  it('client certificates of other authorities, connections without one, and cleartext connections are refused', async () => {
    for (const client of [stranger, null]) {
      expect(await overGrpc(assent.grpcAddress, client)).toBe('UNAVAILABLE');
      await expect(overHttps(client)).rejects.toThrow();
    }
    await expect(fetch(`${assent.httpUrl}/livez`)).rejects.toThrow();
    const plain = grpcClient(assent.grpcAddress);
    expect((await plain.call('CheckPermission', ASK, { timeoutMs: 2_000 })).response).toBeNull();
    plain.close();
    expect(await overHttps(authority.issue('client'))).toMatchObject(ANSWER);
  });
});

describe('the start of the service', () => {
  it('the start is refused beyond this machine without authentication, and with a short secret, which is not shown', async () => {
    const assent = spawnAssent({
      ...ENVIRONMENT,
      BETTER_AUTH_SECRET: 'hunter2-hunter2',
      ASSENT_GRPC_ADDRESS: '0.0.0.0:0',
      ASSENT_HTTP_ADDRESS: '[::]:0',
    });
    expect(await assent.exited).toEqual({ code: 1, signal: null });
    for (const name of [
      'ASSENT_GRPC_ADDRESS can be',
      'ASSENT_HTTP_ADDRESS can be',
      'BETTER_AUTH_SECRET must have at least 32',
    ]) {
      expect(assent.stderr()).toContain(name);
    }
    expect(assent.stderr()).not.toContain('hunter2');
    expect(assent.logs()).toEqual([]);
  });

  it('the service listens on unix sockets, also after a killed process, and runs without the HTTP server', async () => {
    const path = join(folder, 'grpc.sock');
    const settings = { ...ENVIRONMENT, ASSENT_GRPC_ADDRESS: `unix:${path}`, ASSENT_HTTP_ADDRESS: 'off' };
    const first = await startAssent(settings);
    expect(first).toMatchObject({ grpcAddress: `unix:${path}`, httpUrl: null });
    first.kill('SIGKILL');
    await first.exited;
    // ASSENT_INSECURE is said at every start, though here it opens nothing.
    const httpPath = join(folder, 'http.sock');
    const second = await startAssent({ ...settings, ASSENT_HTTP_ADDRESS: `unix:${httpPath}`, ASSENT_INSECURE: '1' });
    try {
      await second.logged(({ event }) => event === 'config.insecure');
      const client = grpcClient(`unix:${path}`);
      expect((await client.call('CheckPermission', ASK)).response).toMatchObject(ANSWER);
      client.close();
      const ready = await new Promise((resolve, reject) => {
        httpRequest({ socketPath: httpPath, path: '/readyz' }, (response) => {
          response.resume();
          resolve(response.statusCode);
        })
          .on('error', reject)
          .end();
      });
      expect(ready).toBe(200);
      second.kill('SIGINT');
      expect(await second.exited).toEqual({ code: 0, signal: null });
    } finally {
      await second.stop();
    }
  });
});
