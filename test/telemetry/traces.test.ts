import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startAssent } from '../support/assent-process.ts';
import { testDatabase } from '../support/database.ts';
import { monolithTemplate } from '../support/template.ts';
import { until } from '../support/until.ts';

const database = await testDatabase(await monolithTemplate('plural'));
const bodies: Buffer[] = [];
let collector: Server;
beforeAll(async () => {
  collector = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (request.url === '/v1/traces') bodies.push(Buffer.concat(chunks));
      response.writeHead(200).end();
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
});
afterAll(() => new Promise((resolve) => collector.close(resolve)));

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';

it('a call is a span below its caller’s, sent where OpenTelemetry’s variables say', async () => {
  const { port } = collector.address() as AddressInfo;
  const assent = await startAssent({
    DATABASE_URL: database.url,
    BETTER_AUTH_SECRET: 'a-secret-that-is-long-enough-for-tests',
    BETTER_AUTH_URL: 'http://localhost:3000',
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
    OTEL_SERVICE_NAME: 'assent-under-test',
    OTEL_BSP_SCHEDULE_DELAY: '50',
  });
  try {
    const response = await fetch(`${assent.httpUrl}/assent.auth.v1.AuthService/CheckPermission`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', traceparent: `00-${TRACE_ID}-00f067aa0ba902b7-01` },
      body: JSON.stringify({ userId: 'nobody', platform: {}, permission: 'a:b' }),
    });
    expect(response.status).toBe(200);
    await until('the span', () => bodies.length > 0);
    const sent = Buffer.concat(bodies);
    expect(sent.includes('assent.auth.v1.AuthService/CheckPermission')).toBe(true);
    expect(sent.includes('assent-under-test')).toBe(true);
    // The protobuf form holds the trace's id as bytes, the JSON form as text.
    expect(sent.includes(Buffer.from(TRACE_ID, 'hex')) || sent.includes(TRACE_ID)).toBe(true);
  } finally {
    await assent.stop();
  }
});
