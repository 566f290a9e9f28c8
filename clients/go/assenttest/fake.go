// Package assenttest is a service in memory, for the tests of programs that use package assent. The client is the real one, so
// that its checks of arguments, its errors and its middleware are those of production.
//
//	fake := assenttest.New(t)
//	fake.Allow("u1", "acme", "leave:approve")
//	handler := routes(fake.Client())
//	request.Header.Set("Authorization", "Bearer "+fake.Token("u1", "acme"))
package assenttest

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/timestamppb"

	assent "assent.example/go"
	authv1 "assent.example/go/gen/assent/auth/v1"
)

// Platform is the organization of [Fake.Allow] that stands for the whole platform.
const Platform = "\x00platform"

// Fake is a service in memory that denies whatever has not been allowed. It is safe for concurrent use.
type Fake struct {
	authv1.UnimplementedAuthServiceServer
	client *assent.Client

	mu     sync.Mutex
	grants map[[2]string][]string
	banned map[string]bool
	fails  error
	calls  int
}

// New starts a fake that ends with the test.
func New(t testing.TB, options ...assent.Option) *Fake {
	t.Helper()
	f := &Fake{grants: map[[2]string][]string{}, banned: map[string]bool{}}
	listener := bufconn.Listen(1 << 16)
	server := grpc.NewServer()
	authv1.RegisterAuthServiceServer(server, f)
	watch := health.NewServer()
	watch.SetServingStatus("assent.auth.v1.AuthService", healthpb.HealthCheckResponse_SERVING)
	healthpb.RegisterHealthServer(server, watch)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener)
	}()
	dialer := grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) })
	c, err := assent.New("127.0.0.1:1", append(options, assent.WithDialOptions(dialer))...)
	if err != nil {
		t.Fatal(err)
	}
	f.client = c
	t.Cleanup(func() {
		_ = c.Close()
		server.Stop()
		<-ended
	})
	return f
}

// Client asks the fake.
func (f *Fake) Client() *assent.Client { return f.client }

// Allow gives a user permissions in an organization, or on the whole platform with [Platform].
func (f *Fake) Allow(user, organization string, permissions ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := [2]string{user, organization}
	f.grants[key] = append(f.grants[key], permissions...)
}

// Revoke takes permissions of a user in an organization away.
func (f *Fake) Revoke(user, organization string, permissions ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := [2]string{user, organization}
	f.grants[key] = slices.DeleteFunc(f.grants[key], func(p string) bool { return slices.Contains(permissions, p) })
}

// Ban denies a user everything.
func (f *Fake) Ban(user string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.banned[user] = true
}

// Token is a token of the user with an active organization, "" for none. Only the fake takes it.
func (f *Fake) Token(user, organization string) string { return "fake." + user + "." + organization }

// Fail makes each call fail as the service would: assent.ErrUnavailable, or any gRPC status; nil ends it.
func (f *Fake) Fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == assent.ErrUnavailable {
		err = status.Error(codes.Internal, "the fake fails")
	}
	f.fails = err
}

// Calls is the number of calls so far; a batch counts as one.
func (f *Fake) Calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

func (f *Fake) called() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	return f.fails
}

// VerifyToken answers for tokens of [Fake.Token].
func (f *Fake) VerifyToken(_ context.Context, r *authv1.VerifyTokenRequest) (*authv1.VerifyTokenResponse, error) {
	if err := f.called(); err != nil {
		return nil, err
	}
	p, err := principal(r.GetToken())
	if err != nil {
		return nil, err
	}
	return &authv1.VerifyTokenResponse{Principal: p, ExpiresAt: timestamppb.New(time.Now().Add(time.Hour))}, nil
}

// CheckPermission answers from the grants.
func (f *Fake) CheckPermission(_ context.Context, r *authv1.CheckPermissionRequest) (*authv1.CheckPermissionResponse, error) {
	if err := f.called(); err != nil {
		return nil, err
	}
	return f.decide(r)
}

// BatchCheckPermissions answers each check from the grants.
func (f *Fake) BatchCheckPermissions(_ context.Context, r *authv1.BatchCheckPermissionsRequest) (*authv1.BatchCheckPermissionsResponse, error) {
	if err := f.called(); err != nil {
		return nil, err
	}
	answer := &authv1.BatchCheckPermissionsResponse{}
	for _, check := range r.GetChecks() {
		result := &authv1.BatchCheckPermissionsResult{}
		if d, err := f.decide(check); err == nil {
			result.Outcome = &authv1.BatchCheckPermissionsResult_Response{Response: d}
		} else {
			result.Outcome = &authv1.BatchCheckPermissionsResult_Error{Error: &authv1.CheckError{
				Code: int32(status.Code(err)), Message: status.Convert(err).Message(), Reason: "TOKEN_MALFORMED",
			}}
		}
		answer.Results = append(answer.Results, result)
	}
	return answer, nil
}

// ListPermissions lists the grants.
func (f *Fake) ListPermissions(_ context.Context, r *authv1.ListPermissionsRequest) (*authv1.ListPermissionsResponse, error) {
	if err := f.called(); err != nil {
		return nil, err
	}
	check := &authv1.CheckPermissionRequest{}
	if r.GetToken() != "" {
		check.Subject = &authv1.CheckPermissionRequest_Token{Token: r.GetToken()}
	} else {
		check.Subject = &authv1.CheckPermissionRequest_UserId{UserId: r.GetUserId()}
	}
	if r.GetPlatform() != nil {
		check.Scope = &authv1.CheckPermissionRequest_Platform{Platform: r.GetPlatform()}
	} else {
		check.Scope = &authv1.CheckPermissionRequest_OrganizationId{OrganizationId: r.GetOrganizationId()}
	}
	user, organization, _, err := names(check)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	answer := &authv1.ListPermissionsResponse{Source: authv1.Source_SOURCE_MEMORY, ComputedAt: timestamppb.Now()}
	if !f.banned[user] {
		answer.Permissions = slices.Compact(slices.Sorted(slices.Values(f.grants[[2]string{user, organization}])))
	}
	answer.Reason = authv1.Reason_REASON_ROLE_GRANTS
	if len(answer.Permissions) == 0 {
		answer.Reason = authv1.Reason_REASON_ROLE_LACKS_PERMISSION
	}
	return answer, nil
}

func (f *Fake) decide(r *authv1.CheckPermissionRequest) (*authv1.CheckPermissionResponse, error) {
	user, organization, p, err := names(r)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	d := &authv1.CheckPermissionResponse{Source: authv1.Source_SOURCE_MEMORY, ComputedAt: timestamppb.Now(), Principal: p}
	switch {
	case f.banned[user]:
		d.Reason = authv1.Reason_REASON_USER_BANNED
	case organization == "":
		d.Reason = authv1.Reason_REASON_NO_ORGANIZATION
	case slices.Contains(f.grants[[2]string{user, organization}], r.GetPermission()):
		d.Allowed, d.Reason, d.GrantedBy = true, authv1.Reason_REASON_ROLE_GRANTS, "fake"
	default:
		d.Reason = authv1.Reason_REASON_ROLE_LACKS_PERMISSION
	}
	return d, nil
}

func names(r *authv1.CheckPermissionRequest) (user, organization string, p *authv1.Principal, err error) {
	user, organization = r.GetUserId(), r.GetOrganizationId()
	if token := r.GetToken(); token != "" {
		if p, err = principal(token); err != nil {
			return "", "", nil, err
		}
		user, organization = p.GetUserId(), or(organization, p.GetOrganizationId())
	}
	if r.GetPlatform() != nil {
		organization = Platform
	}
	return user, organization, p, nil
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func principal(token string) (*authv1.Principal, error) {
	parts := strings.SplitN(strings.TrimPrefix(token, "Bearer "), ".", 3)
	if len(parts) != 3 || parts[0] != "fake" || parts[1] == "" {
		return nil, unauthenticated()
	}
	return &authv1.Principal{UserId: parts[1], OrganizationId: parts[2], IsActive: true}, nil
}

// unauthenticated has the ErrorInfo that the service sends: domain assent, reason TOKEN_MALFORMED.
func unauthenticated() error {
	s := status.New(codes.Unauthenticated, "the token is not one of the fake")
	p := s.Proto()
	p.Details = append(p.Details, errorInfo("TOKEN_MALFORMED"))
	return status.FromProto(p).Err()
}
