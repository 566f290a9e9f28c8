import { createServer, type Server } from 'node:http';
import { type AddressInfo, createServer as createSilentServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ServingAssent, startAssent } from '../../../tools/assent/assent-process.ts';
import { testDatabase } from '../../support/database.ts';
import { settingsFor } from '../../support/settings.ts';
import { applicationTemplate } from '../../support/template.ts';
import { until } from '../../support/until.ts';

const database = await testDatabase(await applicationTemplate('plural'));
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
const ask = ({ httpUrl }: ServingAssent) =>
  fetch(`${httpUrl}/assent.auth.v1.AuthService/CheckPermission`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', traceparent: `00-${TRACE_ID}-00f067aa0ba902b7-01` },
    body: JSON.stringify({ userId: 'nobody', platform: {}, permission: 'a:b' }),
  });

const ENVIRONMENT = settingsFor(database.url);

it('a call is a span below the span of its caller, sent to the address in OpenTelemetry’s variables', async () => {
  const { port } = collector.address() as AddressInfo;
  const assent = await startAssent({
    ...ENVIRONMENT,
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
    OTEL_SERVICE_NAME: 'assent-under-test',
    OTEL_BSP_SCHEDULE_DELAY: '50',
  });
  try {
    expect((await ask(assent)).status).toBe(200);
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

describe('a trace collector', () => {
  const stopAfterCall = async (environment: Readonly<Record<string, string>>) => {
    const assent = await startAssent({ ...ENVIRONMENT, ...environment });
    expect((await ask(assent)).status).toBe(200);
    const exit = await assent.stop();
    const lines = assent.logs();
    // Whatever the SDK says is a line of the log.
    expect(lines.filter(({ level }) => level === 0)).toEqual([]);
    expect(lines.map(({ event }) => event)).toContain('traces.not_sent');
    return exit;
  };

  it('a trace collector that refuses connections does not change the exit code', async () => {
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, OTEL_EXPORTER_OTLP_TIMEOUT: '200' };
    expect(await stopAfterCall(endpoint)).toEqual({ code: 0, signal: null });
  });

  it('a trace collector that never answers does not delay the stop', async () => {
    const silent = createSilentServer((socket) => socket.resume());
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as AddressInfo;
    const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` };
    expect(await stopAfterCall(endpoint)).toEqual({ code: 0, signal: null });
    silent.close();
  });
});
