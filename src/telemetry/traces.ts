/** Traces by OpenTelemetry: one server span for each call, below the caller's span where it sends a `traceparent`. */
import type { Context, DiagLogger, Span } from '@opentelemetry/api';
import { describeError } from '../errors.ts';
import { withTimeout } from '../with-timeout.ts';
import { codeName } from './code-name.ts';
import type { Logger } from './log.ts';

/** Ends the span of a call, with its google.rpc.Code. `refused` is true for a call that was refused for its caller. */
export type EndTrace = (code: number, refused: boolean) => void;

/** Begins the span of a call. `caller` is the name of its caller, null where it did not authenticate. */
export type TraceCall = (
  method: string,
  header: (name: string) => string | undefined,
  caller: string | null,
) => EndTrace;

export interface Traces {
  readonly call: TraceCall;
  /** Sends the buffered spans within two seconds. Never rejects. */
  stop(): Promise<void>;
}

const SERVICE = 'assent.auth.v1.AuthService';

/**
 * The codes of server-side failures in OpenTelemetry's conventions (semconv, rpc/grpc), and RESOURCE_EXHAUSTED: a traced call
 * ends with it only when the service sheds load, unless it was refused for its caller.
 */
const FAULTS: ReadonlySet<string> = new Set([
  'UNKNOWN',
  'DEADLINE_EXCEEDED',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'RESOURCE_EXHAUSTED',
]);

/** An unreachable collector must not delay the end of the process: the SDK itself waits for ten seconds. */
const STOP_TIMEOUT_MS = 2_000;

/**
 * Starts OpenTelemetry's SDK from its own environment variables. The SDK is imported only here, when one of them asks for
 * traces: it takes longer to load than the rest of the service.
 */
export async function startTraces(log: Logger): Promise<Traces> {
  const { context, diag, propagation, SpanKind, SpanStatusCode, trace } = await import('@opentelemetry/api');
  const { startNodeSdk } = await import('@opentelemetry/sdk-node');
  // Only the SDK's traces are used: metrics are for Prometheus, and the log goes to stdout.
  const sdk = startNodeSdk({ metricReaders: [], logRecordProcessors: [], instrumentations: [] });
  diag.setLogger(diagnostics(log), { suppressOverrideMessage: true });
  const tracer = trace.getTracer('assent');

  return {
    call: (method, header, caller) => {
      const parent: Context = propagation.extract(context.active(), header, {
        get: (carrier, key) => carrier(key),
        keys: () => [],
      });
      const name = `${SERVICE}/${method}`;
      const known = caller === null ? {} : { 'assent.caller': caller };
      const attributes = { 'rpc.system.name': 'grpc', 'rpc.method': name, ...known };
      const span: Span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parent);
      return (code, refused) => {
        const status = codeName(code);
        span.setAttribute('rpc.response.status_code', status);
        if (!refused && FAULTS.has(status))
          span.setAttribute('error.type', status).setStatus({ code: SpanStatusCode.ERROR });
        span.end();
      };
    },
    stop: async () => {
      try {
        await withTimeout(STOP_TIMEOUT_MS, sdk.shutdown(), () => new Error(`not sent within ${STOP_TIMEOUT_MS} ms`));
      } catch (error) {
        log.warn({ event: 'traces.not_sent', error: describeError(error) }, 'the last traces could not be sent');
      }
    },
  };
}

/** Writes the SDK's own messages to the log; by itself it prints them to stdout. */
function diagnostics(log: Logger): DiagLogger {
  const message = 'a message of OpenTelemetry';
  return {
    error: (detail) => log.warn({ event: 'traces.diagnostic', detail }, message),
    warn: (detail) => log.warn({ event: 'traces.diagnostic', detail }, message),
    info: (detail) => log.info({ event: 'traces.diagnostic', detail }, message),
    debug: (detail) => log.debug({ event: 'traces.diagnostic', detail }, message),
    verbose: (detail) => log.trace({ event: 'traces.diagnostic', detail }, message),
  };
}
