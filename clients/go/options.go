package assent

import (
	"context"
	"crypto/tls"
	"log/slog"
	"time"

	"google.golang.org/grpc"
)

// Option changes a default of [New].
type Option func(*settings)

type settings struct {
	token    string
	tls      *tls.Config
	timeout  time.Duration
	logger   *slog.Logger
	batching bool
	observer Observer
	dial     []grpc.DialOption
	// lookup is another resolver of names, for tests.
	lookup func(ctx context.Context, host string) ([]string, error)
}

// WithToken sends the caller token, by which the service knows this program. Without it no token is sent.
func WithToken(token string) Option { return func(s *settings) { s.token = token } }

// WithTLS connects by TLS; nil means the roots of the system. Without it connections are cleartext.
func WithTLS(config *tls.Config) Option {
	return func(s *settings) {
		if config == nil {
			config = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		s.tls = config
	}
}

// WithTimeout bounds each call with its attempts; 1 s unless set. A shorter deadline of the context holds.
func WithTimeout(timeout time.Duration) Option { return func(s *settings) { s.timeout = timeout } }

// WithLogger takes the warnings: a permission that the policy does not know, once per name. slog.Default() unless set.
func WithLogger(logger *slog.Logger) Option { return func(s *settings) { s.logger = logger } }

// WithoutBatching sends each check in a separate call. With batching, checks that wait while a call is under way go
// out together.
func WithoutBatching() Option { return func(s *settings) { s.batching = false } }

// WithObserver has each operation reported to the observer. The module assent.example/go/otel has one for OpenTelemetry.
func WithObserver(observer Observer) Option { return func(s *settings) { s.observer = observer } }

// WithDialOptions adds options of gRPC after the kit's own.
func WithDialOptions(options ...grpc.DialOption) Option {
	return func(s *settings) { s.dial = append(s.dial, options...) }
}

// Observer sees each operation of a client: its start, and its end by the returned function.
type Observer interface {
	// Start is called once for each Can, Check, Require, Verify and Permissions, with the name of the RPC. The metadata is a
	// list of keys and values that go along with the call: the W3C context, for one. A batch takes that of its first check.
	Start(ctx context.Context, operation string) (_ context.Context, metadata []string, end func(outcome string))
}
