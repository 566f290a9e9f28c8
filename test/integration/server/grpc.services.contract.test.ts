/** Health, reflection and TLS of gRPC on both addresses, with the clients that ask for them. */
import { once } from 'node:events';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import {
  type ClientReadableStream,
  credentials,
  loadPackageDefinition,
  type ServiceError,
  status as Status,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAuthority } from '../../../tools/network/certificates.ts';
import { run } from '../../../tools/run.ts';
import { answerOf, check, frame, send, withSession } from '../../support/server/raw-call.ts';
import { GRPC_SERVERS, openServer, type TestServer } from '../../support/server/test-server.ts';

const SERVICE = 'assent.auth.v1.AuthService';

interface Health {
  check(
    request: { service: string },
    callback: (error: ServiceError | null, response?: { status: string }) => void,
  ): void;
  watch(request: { service: string }): ClientReadableStream<{ status: string }>;
  list(request: object, callback: (error: ServiceError | null, response?: { statuses: object }) => void): void;
  close(): void;
}

const healthClient = (address: string): Health => {
  const loaded = loadPackageDefinition(
    loadSync('grpc/health/v1/health.proto', { enums: String, includeDirs: ['src/rpc/proto'] }),
  ) as unknown as {
    grpc: { health: { v1: { Health: new (address: string, channel: unknown) => Health } } };
  };
  return new loaded.grpc.health.v1.Health(address, credentials.createInsecure());
};

describe.each(GRPC_SERVERS)('gRPC on the %s address', (name) => {
  /** Bytes of a name about as large as a request for health may be. */
  const longest = 4_000;
  let server: TestServer;
  let health: Health;
  beforeEach(async () => {
    server = await openServer(name);
    health = healthClient(server.address);
  });
  afterEach(async () => {
    health.close();
    await server.stop(100);
  });

  describe('health', () => {
    const ask = (service: string) =>
      new Promise((resolve, reject) => {
        health.check({ service }, (error, response) => (error === null ? resolve(response?.status) : reject(error)));
      });

    it('the health service answers a check', async () => {
      expect([await ask(''), await ask(SERVICE)]).toEqual(['NOT_SERVING', 'NOT_SERVING']);
      server.setServing(true);
      expect([await ask(''), await ask(SERVICE)]).toEqual(['SERVING', 'SERVING']);
      await expect(ask('größer')).rejects.toMatchObject({ code: Status.NOT_FOUND });
    });

    it.each(['Check', 'Watch'])(
      'the health service refuses a message that announces more than 4 KiB: %s',
      async (method) => {
        await withSession(server.url, async (session) => {
          const headers = { ':path': `/grpc.health.v1.Health/${method}` };
          const announced = Buffer.of(0, 0, 0, 0x10, 1);
          expect((await answerOf(send(session, { headers, pieces: [announced], open: true }))).status).toBe('8');
          expect(await ask('')).toBe('NOT_SERVING');
        });
      },
    );

    it('the health service lists the services', async () => {
      const statuses = new Promise((resolve, reject) => {
        health.list({}, (error, response) => (error === null ? resolve(response?.statuses) : reject(error)));
      });
      expect(await statuses).toEqual({ '': { status: 'NOT_SERVING' }, [SERVICE]: { status: 'NOT_SERVING' } });
    });

    it('the health service serves a watch until the watcher goes away', async () => {
      const watch = health.watch({ service: SERVICE });
      const seen: string[] = [];
      const changed = (): Promise<void> => new Promise((resolve) => watch.once('data', () => resolve()));
      watch.on('data', ({ status }) => seen.push(status));
      watch.on('error', () => {});
      await changed();
      for (const serving of [true, false, true]) {
        const next = changed();
        server.setServing(serving);
        await next;
      }
      expect(seen).toEqual(['NOT_SERVING', 'SERVING', 'NOT_SERVING', 'SERVING']);
      watch.cancel();
      await ask(SERVICE);
      server.setServing(false);
      expect(await ask(SERVICE)).toBe('NOT_SERVING');
    });

    it('the health service answers NOT_FOUND for other services, without their names', async () => {
      // Quoted, the longest would be headers of megabytes.
      for (const service of ['other', 'ö'.repeat(longest / 2)]) {
        await expect(ask(service)).rejects.toMatchObject({
          code: Status.NOT_FOUND,
          details: 'There is no such service.',
        });
      }
      expect(await ask(SERVICE)).toBe('NOT_SERVING');
    });

    it('the health service answers a watch of other services with SERVICE_UNKNOWN', async () => {
      const watches = ['one', 'x'.repeat(longest), SERVICE].map((service) => health.watch({ service }));
      const ended = watches.map((watch) => new Promise((resolve) => watch.once('error', resolve)));
      const statuses = watches.map(
        (watch) => new Promise((resolve) => watch.once('data', ({ status }) => resolve(status))),
      );
      expect(await Promise.all(statuses)).toEqual(['SERVICE_UNKNOWN', 'SERVICE_UNKNOWN', 'NOT_SERVING']);
      for (const watch of watches) watch.cancel();
      await Promise.all(ended);
      await server.stop(120_000);
    });

    it.each(['', 'other'])('the health service ends its watches at the stop: of "%s"', async (service) => {
      const watch = health.watch({ service });
      let over = false;
      const ended = new Promise<ServiceError>((resolve) => watch.once('error', resolve));
      watch.once('end', () => {
        over = true;
      });
      await new Promise((resolve) => watch.once('data', resolve));
      await ask('');
      expect(over).toBe(false);
      await server.stop(120_000);
      expect([Status.UNAVAILABLE, Status.CANCELLED]).toContain((await ended).code);
    });
  });

  const path = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';

  describe('reflection', () => {
    it('reflection accepts short requests, and refuses one of 4 MiB', async () => {
      await withSession(server.url, async (session) => {
        const pieces = [Buffer.of(0, 0, 0, 0x10, 1)];
        expect((await answerOf(send(session, { headers: { ':path': path }, pieces, open: true }))).status).toBe('8');
      });
    });

    const buf = async (...args: readonly string[]): Promise<string> =>
      (await run('buf', ['curl', '--protocol', 'grpc', '--http2-prior-knowledge', ...args])).stdout;

    it.each(['grpc-v1', 'grpc-v1alpha'])('buf curl lists and calls by reflection: %s', async (protocol) => {
      const reflect = ['--reflect', '--reflect-protocol', protocol];
      expect(await buf(...reflect, '--list-methods', server.url)).toContain(`${SERVICE}/CheckPermission`);
      const answer = await buf(
        ...reflect,
        '-d',
        '{"userId": "u", "organizationId": "o", "permission": "now:1"}',
        `${server.url}/${SERVICE}/CheckPermission`,
      );
      expect(JSON.parse(answer)).toMatchObject({ allowed: true, grantedBy: 'now:1' });
    });

    it('a stream that ends within a message ends with INTERNAL, after the answers to whole messages', async () => {
      await withSession(server.url, async (session) => {
        const pieces = [frame(Buffer.of(0x3a, 1, 0x2a)), Buffer.of(0, 0)];
        const { status, body } = await answerOf(send(session, { headers: { ':path': path }, pieces }));
        expect([status, body.includes(SERVICE)]).toEqual(['13', true]);
      });
    });

    it.each([
      `${SERVICE}.CheckPermission`,
      'assent.auth.v1.User.email',
      'assent.auth.v1.REASON_USER_BANNED',
      'grpc.health.v1.HealthCheckResponse.SERVING',
    ])('the reflection file of %s is found', async (symbol) => {
      await withSession(server.url, async (session) => {
        // file_containing_symbol
        const question = frame(Buffer.concat([Buffer.of(0x22, symbol.length), Buffer.from(symbol)]));
        const { body } = await answerOf(send(session, { headers: { ':path': path }, pieces: [question] }));
        expect(body.includes('There is no such')).toBe(false);
        expect(body.includes('.proto')).toBe(true);
      });
    });

    it('reflection answers no faster than its caller reads, and then completely', async () => {
      await withSession(
        server.url,
        async (session) => {
          const stream = send(session, { headers: { ':path': path }, open: true });
          const answer = answerOf(stream);
          stream.pause();
          // host: 200 bytes, list_services: "*"
          const question = frame(
            Buffer.concat([Buffer.of(0x0a, 200, 1), Buffer.alloc(200, 'h'), Buffer.of(0x3a, 1, 0x2a)]),
          );
          const questions = 2_000;
          stream.end(Buffer.concat(Array.from({ length: questions }, () => question)));
          await once(stream, 'response');
          // Enough turns for all of it to go through, if it were read.
          for (let turn = 0; turn < 100; turn += 1) {
            await new Promise<void>((resolve) => session.ping(() => resolve()));
          }
          expect(stream.bufferSize).toBeGreaterThan(0);
          stream.resume();
          const { status, body } = await answer;
          expect(status).toBe('0');
          // Each names the service, and the question with its host.
          expect(body.toString('latin1').split(SERVICE)).toHaveLength(questions + 1);
        },
        { settings: { initialWindowSize: 1_000 } },
      );
    });
  });

  describe('a stream whose caller keeps it open', () => {
    // list_services: "*"
    const pieces = [frame(Buffer.of(0x3a, 1, 0x2a))];

    it('a stream whose caller keeps it open ends at its deadline', async () => {
      await withSession(server.url, async (session) => {
        const stream = send(session, { headers: { ':path': path, 'grpc-timeout': '300m' }, pieces, open: true });
        const closed = once(stream, 'close');
        const { status, body } = await answerOf(stream);
        expect([status, body.includes(SERVICE)]).toEqual(['4', true]);
        await closed;
        expect(stream.rstCode).toBe(0);
      });
    });

    it('a stream whose caller keeps it open ends when the server stops', async () => {
      await withSession(server.url, async (session) => {
        const stream = send(session, { headers: { ':path': path }, pieces, open: true });
        const answer = answerOf(stream);
        await once(stream, 'data');
        await server.stop(120_000);
        expect((await answer).status).toBe('14');
      });
    });
  });

  describe('TLS of the gRPC server', () => {
    const authority = createAuthority('authority');
    const ca = authority.cert;
    const server = authority.issue('server');
    const client = authority.issue('client');
    const others = createAuthority('others');
    const stranger = others.issue('stranger');
    const ask = (secure: TestServer, options: object) =>
      withSession(secure.url, (session) => answerOf(send(session, { pieces: [frame(check('now:1'))] })), {
        ca,
        ...options,
      });

    it('the gRPC server presents its certificate', async () => {
      const secure = await openServer(name, { tls: { ...server, clientCa: null } });
      try {
        expect((await ask(secure, {})).status).toBe('0');
        await expect(ask(secure, { ca: others.cert })).rejects.toThrow();
        // In the clear.
        await expect(ask({ ...secure, url: secure.url.replace('https', 'http') }, {})).rejects.toThrow();
        expect((await ask(secure, {})).status).toBe('0');
      } finally {
        await secure.stop(100);
      }
    });

    it('the gRPC server requests a client certificate', async () => {
      const secure = await openServer(name, { tls: { ...server, clientCa: ca } });
      try {
        expect((await ask(secure, client)).status).toBe('0');
        await expect(ask(secure, {})).rejects.toThrow();
        await expect(ask(secure, stranger)).rejects.toThrow();
        expect(secure.asked).toEqual(['now:1']);
      } finally {
        await secure.stop(100);
      }
    });

    // The configuration refuses such a file; Node would trust its built-in authorities.
    it('the gRPC server refuses every caller when it has no authorities', async () => {
      const trusted = getCACertificates('default');
      setDefaultCACertificates([ca]);
      const secure = await openServer(name, { tls: { ...server, clientCa: '' } });
      try {
        await expect(ask(secure, client)).rejects.toThrow();
        expect(secure.asked).toEqual([]);
      } finally {
        setDefaultCACertificates(trusted);
        await secure.stop(100);
      }
    });
  });
});
