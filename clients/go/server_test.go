package assent

import (
	"context"
	"log/slog"
	"net"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	authv1 "assent.example/go/gen/assent/auth/v1"
)

// testServer is a service on loopback whose answers a test decides.
type testServer struct {
	authv1.UnimplementedAuthServiceServer
	server  *grpc.Server
	address string
	calls   atomic.Int64
	batches atomic.Int64
	checks  atomic.Int64
	// frozen: calls and probes stay without an answer until it is closed.
	frozen atomic.Pointer[chan struct{}]
	decide func(ctx context.Context, r *authv1.CheckPermissionRequest) (*authv1.CheckPermissionResponse, error)
	batch  func(r *authv1.BatchCheckPermissionsRequest) (*authv1.BatchCheckPermissionsResponse, error)
	mu     sync.Mutex
	last   metadata.MD
}

func serve(t *testing.T, address string) *testServer {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := &testServer{address: listener.Addr().String(), decide: allowAll}
	s.server = grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, r any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		if wait := s.frozen.Load(); wait != nil {
			select {
			case <-*wait:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		return next(ctx, r)
	}))
	authv1.RegisterAuthServiceServer(s.server, s)
	h := health.NewServer()
	h.SetServingStatus("assent.auth.v1.AuthService", healthpb.HealthCheckResponse_SERVING)
	healthpb.RegisterHealthServer(s.server, h)
	go func() { _ = s.server.Serve(listener) }()
	t.Cleanup(s.server.Stop)
	return s
}

func (s *testServer) freeze() (thaw func()) {
	wait := make(chan struct{})
	s.frozen.Store(&wait)
	return sync.OnceFunc(func() {
		s.frozen.Store(nil)
		close(wait)
	})
}

func allowAll(_ context.Context, r *authv1.CheckPermissionRequest) (*authv1.CheckPermissionResponse, error) {
	d := &authv1.CheckPermissionResponse{Allowed: true, Reason: authv1.Reason_REASON_ROLE_GRANTS, Source: authv1.Source_SOURCE_MEMORY}
	if r.GetToken() != "" {
		d.Principal = &authv1.Principal{UserId: "u1", IsActive: true}
	}
	return d, nil
}

func (s *testServer) CheckPermission(ctx context.Context, r *authv1.CheckPermissionRequest) (*authv1.CheckPermissionResponse, error) {
	s.calls.Add(1)
	s.checks.Add(1)
	md, _ := metadata.FromIncomingContext(ctx)
	s.mu.Lock()
	s.last = md
	s.mu.Unlock()
	return s.decide(ctx, r)
}

func (s *testServer) BatchCheckPermissions(ctx context.Context, r *authv1.BatchCheckPermissionsRequest) (*authv1.BatchCheckPermissionsResponse, error) {
	s.calls.Add(1)
	s.batches.Add(1)
	s.checks.Add(int64(len(r.GetChecks())))
	if s.batch != nil {
		return s.batch(r)
	}
	answer := &authv1.BatchCheckPermissionsResponse{Results: make([]*authv1.BatchCheckPermissionsResult, len(r.GetChecks()))}
	var all sync.WaitGroup
	for n, check := range r.GetChecks() {
		all.Go(func() {
			d, err := s.decide(ctx, check)
			if err != nil {
				answer.Results[n] = failed(status.Code(err), "OVERLOADED")
				return
			}
			answer.Results[n] = &authv1.BatchCheckPermissionsResult{Outcome: &authv1.BatchCheckPermissionsResult_Response{Response: d}}
		})
	}
	all.Wait()
	return answer, nil
}

func failed(code codes.Code, reason string) *authv1.BatchCheckPermissionsResult {
	return &authv1.BatchCheckPermissionsResult{Outcome: &authv1.BatchCheckPermissionsResult_Error{Error: &authv1.CheckError{Code: int32(code), Reason: reason}}}
}

func (s *testServer) VerifyToken(_ context.Context, r *authv1.VerifyTokenRequest) (*authv1.VerifyTokenResponse, error) {
	s.calls.Add(1)
	if r.GetToken() == "bad" {
		return nil, withReason(codes.Unauthenticated, "TOKEN_EXPIRED")
	}
	return &authv1.VerifyTokenResponse{Principal: &authv1.Principal{UserId: "u1", IsActive: true}}, nil
}

func (s *testServer) ListPermissions(context.Context, *authv1.ListPermissionsRequest) (*authv1.ListPermissionsResponse, error) {
	s.calls.Add(1)
	return &authv1.ListPermissionsResponse{Permissions: []string{"leave:approve"}, Reason: authv1.Reason_REASON_ROLE_GRANTS}, nil
}

func withReason(code codes.Code, reason string) error {
	return withDetail(code, "google.rpc.ErrorInfo", protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), reason))
}

func withField(field string) error {
	violation := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), field)
	return withDetail(codes.InvalidArgument, "google.rpc.BadRequest", protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), violation))
}

func withRetry(delay time.Duration) error {
	d := durationpb.New(delay)
	b := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(d.Seconds))
	b = protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), uint64(d.Nanos))
	return withDetail(codes.ResourceExhausted, "google.rpc.RetryInfo", protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), b))
}

func withDetail(code codes.Code, name string, value []byte) error {
	p := status.New(code, "refused").Proto()
	p.Details = append(p.Details, &anypb.Any{TypeUrl: "type.googleapis.com/" + name, Value: value})
	return status.FromProto(p).Err()
}

func newClient(t *testing.T, target string, options ...Option) *Client {
	t.Helper()
	c, err := New(target, append([]Option{WithLogger(slog.New(slog.DiscardHandler))}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// until waits for a condition, for at most ten seconds.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Error("not reached: " + what)
			return
		}
	}
}

func goroutines() string {
	buffer := make([]byte, 1<<20)
	all := strings.Split(string(buffer[:runtime.Stack(buffer, true)]), "\n\n")
	var own []string
	for _, g := range all {
		if strings.Contains(g, reflect.TypeFor[Client]().PkgPath()+".") && !strings.Contains(g, "_test.go") || strings.Contains(g, "grpc.(*ClientConn)") || strings.Contains(g, "http2Client") {
			own = append(own, g)
		}
	}
	return strings.Join(own, "\n\n")
}

// goTogether holds checks back until so many different ones wait, and lets them go out as one batch.
func goTogether(t *testing.T, c *Client, checks int) {
	b := c.batches
	b.mu.Lock()
	b.underWay, b.wait = callsUnderWay, time.Hour
	b.mu.Unlock()
	var released sync.WaitGroup
	released.Go(func() {
		until(t, "the checks wait", func() bool {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.pending != nil && len(b.pending.items) == checks
		})
		b.mu.Lock()
		b.wait = maxWait
		b.mu.Unlock()
		b.finish()
	})
	t.Cleanup(released.Wait)
}
