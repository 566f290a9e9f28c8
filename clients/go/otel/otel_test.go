package assentotel

import (
	"context"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/trace"

	assent "assent.example/go"
	"assent.example/go/assenttest"
)

func TestTheContextOfTheApplicationGoesAlong(t *testing.T) {
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
	ctx := trace.ContextWithSpanContext(context.Background(), span)
	_, pairs, end := newObserver().Start(ctx, "CheckPermission")
	end("ALLOWED")
	if i := slices.Index(pairs, "traceparent"); i < 0 || pairs[i+1] != "00-01000000000000000000000000000000-0200000000000000-01" {
		t.Fatal(pairs)
	}
}

func TestWithoutAProviderChecksAreAnsweredAndNothingIsSent(t *testing.T) {
	if _, pairs, _ := newObserver().Start(context.Background(), "CheckPermission"); len(pairs) != 0 {
		t.Fatal(pairs)
	}
	fake := assenttest.New(t, With())
	fake.Allow("u1", "acme", "leave:approve")
	if allowed, err := fake.Client().Can(context.Background(), assent.User("u1"), assent.Organization("acme"), "leave:approve"); !allowed || err != nil {
		t.Fatal(allowed, err)
	}
}
