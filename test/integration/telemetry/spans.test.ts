/** What a span says of its call, by OpenTelemetry's conventions for gRPC. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { expect, it, onTestFinished, vi } from 'vitest';
import { createLog } from '../../../src/telemetry/log.ts';
import { startTraces } from '../../../src/telemetry/traces.ts';

interface Sent {
  readonly resourceSpans: readonly { readonly scopeSpans: readonly { readonly spans: readonly Span[] }[] }[];
}
interface Span {
  readonly name: string;
  readonly kind: number;
  readonly status: { readonly code: number };
  readonly attributes: readonly { readonly key: string; readonly value: object }[];
}

const SERVER = 2;
const ERROR = 2;

it('a span names the call and its code, and only server-side failures mark it as an error', async () => {
  const spans: Span[] = [];
  const collector = createServer(async (request, response) => {
    const { resourceSpans } = (await json(request)) as Sent;
    spans.push(...resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)));
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void collector.close());
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', `http://127.0.0.1:${(collector.address() as AddressInfo).port}`);
  vi.stubEnv('OTEL_EXPORTER_OTLP_PROTOCOL', 'http/json');
  onTestFinished(() => void vi.unstubAllEnvs());

  const traces = await startTraces(createLog('silent'));
  for (let code = 0; code <= 16; code += 1)
    traces.call('GetUser', () => undefined, code === 5 ? 'orders' : null)(code, false);
  // A caller that is over its limits.
  traces.call('GetUser', () => undefined, 'orders')(8, true);
  await traces.stop();

  expect(spans.length).toBe(18);
  expect(new Set(spans.map(({ name, kind }) => `${name} ${kind}`))).toEqual(
    new Set([`assent.auth.v1.AuthService/GetUser ${SERVER}`]),
  );
  const attributes = spans.map((span) =>
    Object.fromEntries(span.attributes.map(({ key, value }) => [key, Object.values(value)[0]])),
  );
  expect(attributes[5]).toEqual({
    'rpc.system.name': 'grpc',
    'rpc.method': 'assent.auth.v1.AuthService/GetUser',
    'rpc.response.status_code': 'NOT_FOUND',
    'assent.caller': 'orders',
  });
  expect(attributes[14]).not.toHaveProperty(['assent.caller']);
  expect(attributes[14]).toMatchObject({ 'rpc.response.status_code': 'UNAVAILABLE', 'error.type': 'UNAVAILABLE' });
  const failed = spans.flatMap(({ status }, code) => (status.code === ERROR ? [code] : []));
  expect(failed.map((code) => attributes[code]?.['error.type'])).toEqual([
    'UNKNOWN',
    'DEADLINE_EXCEEDED',
    'RESOURCE_EXHAUSTED',
    'UNIMPLEMENTED',
    'INTERNAL',
    'UNAVAILABLE',
    'DATA_LOSS',
  ]);
  expect(attributes.filter((one) => 'error.type' in one)).toHaveLength(failed.length);
});
