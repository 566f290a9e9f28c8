/** Traces by OpenTelemetry: one server span for each call, below the caller's span where it sends a `traceparent`. */
import type { Context, DiagLogger, Span } from '@opentelemetry/api';
import { withTimeout } from '../with-timeout.ts';
import { codeName } from './code-name.ts';
import type { Logger } from './log.ts';

/** A call being traced; ended with its google.rpc.Code. */
export type EndTrace = (code: number) => void;

/** Begins the trace of a call. */
export type TraceCall = (method: string, header: (name: string) => string | undefined) => EndTrace;

export interface Traces {
  readonly call: TraceCall;
  /** Sends what is still buffered, if it can in time. Never rejects. */
  stop(): Promise<void>;
}

const SERVICE = 'assent.auth.v1.AuthService';

/**
 * What a server is to blame for by OpenTelemetry's conventions (semconv, rpc/grpc), and RESOURCE_EXHAUSTED: only the service
 * that sheds load ends a traced call with it.
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

/** A collector that is away must not keep the process from ending: the SDK itself would wait for ten seconds. */
const STOP_TIMEOUT_MS = 2_000;

const SAYS = 'OpenTelemetry';

/** The SDK's own messages as lines of the log, where it writes them to stdout as they are. */
const diagnostics = (log: Logger): DiagLogger => ({
  error: (detail) => log.warn({ detail }, SAYS),
  warn: (detail) => log.warn({ detail }, SAYS),
  info: (detail) => log.info({ detail }, SAYS),
  debug: (detail) => log.debug({ detail }, SAYS),
  verbose: (detail) => log.trace({ detail }, SAYS),
});

/**
 * Starts OpenTelemetry's SDK from its own environment variables. Loaded only here, when one of them asks for traces: the
 * SDK takes longer to load than all the rest of the service.
 */
export const startTraces = async (log: Logger): Promise<Traces> => {
  const { context, diag, propagation, SpanKind, SpanStatusCode, trace } = await import('@opentelemetry/api');
  const { startNodeSdk } = await import('@opentelemetry/sdk-node');
  // Metrics are Prometheus' and the log is on stdout: of the SDK's signals only traces are used.
  const sdk = startNodeSdk({ metricReaders: [], logRecordProcessors: [], instrumentations: [] });
  diag.setLogger(diagnostics(log), { suppressOverrideMessage: true });
  const tracer = trace.getTracer('assent');

  return {
    call: (method, header) => {
      const parent: Context = propagation.extract(context.active(), header, {
        get: (carrier, key) => carrier(key),
        keys: () => [],
      });
      const name = `${SERVICE}/${method}`;
      const attributes = { 'rpc.system.name': 'grpc', 'rpc.method': name };
      const span: Span = tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, parent);
      return (code) => {
        const status = codeName(code);
        span.setAttribute('rpc.response.status_code', status);
        if (FAULTS.has(status)) span.setAttribute('error.type', status).setStatus({ code: SpanStatusCode.ERROR });
        span.end();
      };
    },
    stop: async () => {
      try {
        await withTimeout(STOP_TIMEOUT_MS, sdk.shutdown(), () => new Error(`not sent within ${STOP_TIMEOUT_MS} ms`));
      } catch (error) {
        log.warn(
          { error: error instanceof Error ? error.message : String(error) },
          'the last traces could not be sent',
        );
      }
    },
  };
};
