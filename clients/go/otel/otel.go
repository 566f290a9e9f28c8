// Package assentotel reports the operations of package assent to OpenTelemetry, by its API alone: without a provider of the
// application nothing is made.
//
//	c, err := assent.New(target, assentotel.With())
package assentotel

import (
	"context"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	assent "assent.example/go"
)

const name = "assent.example/go/otel"

// With sends the W3C context of each operation along, makes a client span, and records the duration in
// assent.client.duration (seconds) with the attributes assent.operation and assent.outcome. No attribute has the id of a user or
// of an organization. The application's global providers and propagator hold; without a propagator it is that of W3C.
func With() assent.Option { return assent.WithObserver(newObserver()) }

type observer struct {
	tracer   trace.Tracer
	duration metric.Float64Histogram
}

func newObserver() *observer {
	duration, err := otel.Meter(name).Float64Histogram("assent.client.duration", metric.WithUnit("s"),
		metric.WithDescription("The time that checks and other operations take, attempts and batching included."))
	if err != nil {
		otel.Handle(err)
	}
	return &observer{otel.Tracer(name), duration}
}

// Start begins the span of an operation.
func (o *observer) Start(ctx context.Context, operation string) (context.Context, []string, func(string)) {
	begun := time.Now()
	ctx, span := o.tracer.Start(ctx, "assent."+operation, trace.WithSpanKind(trace.SpanKindClient))
	end := func(outcome string) {
		attributes := []attribute.KeyValue{attribute.String("assent.operation", operation), attribute.String("assent.outcome", outcome)}
		span.SetAttributes(attributes...)
		if outcome == "UNAVAILABLE" || outcome == "MISCONFIGURED" {
			span.SetStatus(codes.Error, outcome)
		}
		span.End()
		if o.duration != nil {
			o.duration.Record(ctx, time.Since(begun).Seconds(), metric.WithAttributes(attributes...))
		}
	}
	return ctx, headers(ctx), end
}

func headers(ctx context.Context) []string {
	carrier := propagation.MapCarrier{}
	propagator := otel.GetTextMapPropagator()
	if len(propagator.Fields()) == 0 {
		propagator = propagation.TraceContext{}
	}
	propagator.Inject(ctx, carrier)
	pairs := make([]string, 0, 2*len(carrier))
	for key, value := range carrier {
		pairs = append(pairs, key, value)
	}
	return pairs
}
