/** Traces by OpenTelemetry: one server span for each call, below the caller's span where it sends a `traceparent`. */
import type { Context, Span } from '@opentelemetry/api';

/** A call being traced; ended with its google.rpc.Code. */
export type EndTrace = (code: number) => void;

/** Begins the trace of a call. */
export type TraceCall = (method: string, header: (name: string) => string | undefined) => EndTrace;

export interface Traces {
  readonly call: TraceCall;
  /** Sends what is still buffered. */
  stop(): Promise<void>;
}

const SERVICE = 'assent.auth.v1.AuthService';

/**
 * Starts OpenTelemetry's SDK from its own environment variables. Loaded only here, when one of them asks for traces: the
 * SDK takes longer to load than all the rest of the service.
 */
export const startTraces = async (): Promise<Traces> => {
  const { context, propagation, SpanKind, SpanStatusCode, trace } = await import('@opentelemetry/api');
  const { startNodeSdk } = await import('@opentelemetry/sdk-node');
  // Metrics are Prometheus' and the log is on stdout: of the SDK's signals only traces are used.
  const sdk = startNodeSdk({ metricReaders: [], logRecordProcessors: [], instrumentations: [] });
  const tracer = trace.getTracer('assent');

  return {
    call: (method, header) => {
      const parent: Context = propagation.extract(context.active(), header, {
        get: (carrier, key) => carrier(key),
        keys: () => [],
      });
      const attributes = { 'rpc.system.name': 'grpc', 'rpc.service': SERVICE, 'rpc.method': method };
      const span: Span = tracer.startSpan(`${SERVICE}/${method}`, { kind: SpanKind.SERVER, attributes }, parent);
      return (code) => {
        span.setAttribute('rpc.response.status_code', code);
        // A caller's own mistake is no fault of the service: INTERNAL, UNAVAILABLE and what sheds load are.
        if (code === 13 || code === 14 || code === 8) span.setStatus({ code: SpanStatusCode.ERROR });
        span.end();
      };
    },
    stop: async () => {
      await sdk.shutdown();
    },
  };
};
