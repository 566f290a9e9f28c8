/** Spans, metrics and the trace context of calls, where the application has providers of OpenTelemetry; nothing otherwise. */

import type { Metadata } from '@grpc/grpc-js';
import { context, metrics, propagation, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { AssentError } from './errors.ts';

/** One call as spans and metrics see it. */
export interface ObservedCall {
  /** The metadata with the trace context; the same object when there is none. */
  readonly metadata: Metadata;
  ended(error: unknown): void;
}

/** Seconds, as the semantic conventions of OpenTelemetry want it. Labels: the method and the outcome; no id of anything. */
export function createTelemetry(): (method: string, metadata: Metadata) => ObservedCall {
  const tracer = trace.getTracer('@assent/client');
  const duration = metrics.getMeter('@assent/client').createHistogram('assent.client.duration', {
    unit: 's',
    description: 'Time of calls of Assent with their retries.',
  });
  return (method, metadata) => {
    const began = performance.now();
    const span = tracer.startSpan(`assent.auth.v1.AuthService/${method}`, {
      kind: SpanKind.CLIENT,
      attributes: { 'rpc.system': 'grpc', 'rpc.service': 'assent.auth.v1.AuthService', 'rpc.method': method },
    });
    return {
      metadata: injected(span, metadata),
      ended: (error) => {
        const outcome = outcomeOf(error);
        duration.record((performance.now() - began) / 1_000, { 'rpc.method': method, outcome });
        if (error !== null) span.setStatus({ code: SpanStatusCode.ERROR, message: outcome });
        span.end();
      },
    };
  };
}

function injected(span: Span, metadata: Metadata): Metadata {
  const carrier: Record<string, string> = {};
  propagation.inject(trace.setSpan(context.active(), span), carrier);
  let filled: Metadata | null = null;
  for (const key in carrier) {
    filled ??= metadata.clone();
    filled.set(key, carrier[key] ?? '');
  }
  return filled ?? metadata;
}

function outcomeOf(error: unknown): string {
  if (error === null) return 'OK';
  return error instanceof AssentError ? error.code : 'CANCELLED';
}
