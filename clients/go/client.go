package assent

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/proto"

	authv1 "assent.example/go/gen/assent/auth/v1"
)

const serviceConfig = `{"loadBalancingConfig":[{"` + balancerName + `":{}}],` +
	`"healthCheckConfig":{"serviceName":"assent.auth.v1.AuthService"}}`

// Client asks the service. It is safe for concurrent use; a program needs one.
type Client struct {
	conn     *grpc.ClientConn
	names    *names
	settings settings
	metadata context.Context
	retries  *budget
	hedges   *budget
	batches  *batcher
	warned   warnings
	woken    atomic.Int64

	base   context.Context
	cancel context.CancelFunc
	mu     sync.Mutex
	closed bool
	work   sync.WaitGroup
}

// New makes a client of the service at target: "dns:///assent:50051", "host:port" or several of them separated by commas,
// "ipv4:…", "ipv6:…", or "unix:///path". The port is 50051 unless named. New connects in the background and does not wait.
// Its errors are MISCONFIGURED: ADDRESS_MISSING, ADDRESS_MALFORMED, TOKEN_MALFORMED (a caller token that no header can
// carry) and TIMEOUT_INVALID.
func New(target string, options ...Option) (*Client, error) {
	s := settings{timeout: time.Second, batching: true}
	for _, option := range options {
		option(&s)
	}
	parsed, err := parseTarget(target)
	if err != nil {
		return nil, err
	}
	if s.timeout <= 0 {
		return nil, newError(CodeMisconfigured, "TIMEOUT_INVALID", "the timeout is not above zero")
	}
	pairs, err := callerMetadata(s.token)
	if err != nil {
		return nil, err
	}
	c := &Client{settings: s, metadata: withMetadata(pairs), retries: newBudget(), hedges: newBudget()}
	c.base, c.cancel = context.WithCancel(context.Background())
	c.names = newNames(parsed, s.lookup)
	c.batches = newBatcher(c)
	address := scheme + ":///assent"
	if parsed.unix != "" {
		address = parsed.unix
	}
	c.conn, err = grpc.NewClient(address, c.dialOptions(parsed)...)
	if err != nil {
		return nil, newError(CodeMisconfigured, "ADDRESS_MALFORMED", err.Error())
	}
	c.conn.Connect()
	return c, nil
}

func (c *Client) dialOptions(t target) []grpc.DialOption {
	transport := insecure.NewCredentials()
	if c.settings.tls != nil {
		transport = credentials.NewTLS(c.settings.tls)
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(),
		grpc.WithIdleTimeout(0),
		// The least keepalive time of grpc-go is 10 s.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 2 * time.Second}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
			MinConnectTimeout: 2 * time.Second,
		}),
	}
	if t.unix == "" {
		options = append(options, grpc.WithResolvers(c.names), grpc.WithNoProxy())
	}
	return append(options, c.settings.dial...)
}

func callerMetadata(token string) ([]string, error) {
	if token == "" {
		return nil, nil
	}
	for i := range len(token) {
		if token[i] <= ' ' || token[i] > '~' {
			return nil, newError(CodeMisconfigured, "TOKEN_MALFORMED", "the caller token has a character that no header can carry, a line break for one")
		}
	}
	return []string{"authorization", "Bearer " + token}, nil
}

// Close ends the connections and all goroutines of the client, and waits for them. Calls under way fail with UNAVAILABLE
// (CLIENT_CLOSED). A second Close does nothing. The error is always nil.
func (c *Client) Close() error {
	c.mu.Lock()
	first := !c.closed
	c.closed = true
	c.mu.Unlock()
	if !first {
		return nil
	}
	c.cancel()
	_ = c.conn.Close()
	c.work.Wait()
	return nil
}

// begin registers a goroutine that Close waits for; false once the client is closed.
func (c *Client) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.work.Add(1)
	return true
}

func errClosed() error { return newError(CodeUnavailable, "CLIENT_CLOSED", "the client is closed") }

// Can reports whether the subject may do something in a scope. When the answer cannot be known, it returns an error, and
// false with it. A denial is false without an error.
// Errors: UNAUTHENTICATED, UNAVAILABLE, INVALID, MISCONFIGURED; the cancellation of ctx as itself.
func (c *Client) Can(ctx context.Context, subject Subject, scope Scope, permission string) (bool, error) {
	d, err := c.Check(ctx, subject, scope, permission)
	if err != nil {
		return false, err
	}
	return d.Allowed, nil
}

// Check returns the whole decision, allowed or not, with the principal where the subject is a token.
// Errors: as those of [Client.Can].
func (c *Client) Check(ctx context.Context, subject Subject, scope Scope, permission string) (*Decision, error) {
	k := check{subject, scope, permission}
	if err := k.validate(); err != nil {
		return nil, err
	}
	ctx, headers, end := c.observe(ctx, "CheckPermission")
	response, err := c.batches.check(ctx, k, headers)
	if err != nil {
		end(outcomeOf(err))
		return nil, err
	}
	d := decisionOf(response)
	if d.Reason == "UNKNOWN_PERMISSION" {
		c.warned.once(c.settings.logger, permission)
	}
	if d.Allowed {
		end("ALLOWED")
	} else {
		end(string(CodeDenied))
	}
	return d, nil
}

// Require returns the decision when it allows, and ErrDenied with the decision when it does not.
// Errors: DENIED, and those of [Client.Can].
func (c *Client) Require(ctx context.Context, subject Subject, scope Scope, permission string) (*Decision, error) {
	d, err := c.Check(ctx, subject, scope, permission)
	if err != nil {
		return nil, err
	}
	if !d.Allowed {
		e := newError(CodeDenied, d.Reason, "the permission "+permission+" is denied")
		e.Decision = d
		return nil, e
	}
	return d, nil
}

// Verify verifies a user's token and returns whom it names. It says nothing about bans and roles: ask [Client.Check] for
// a decision. Errors: as those of [Client.Can].
func (c *Client) Verify(ctx context.Context, token string) (*Verified, error) {
	if err := validateToken(token); err != nil {
		return nil, err
	}
	reply, err := c.unary(ctx, "VerifyToken", authv1.AuthService_VerifyToken_FullMethodName,
		&authv1.VerifyTokenRequest{Token: token}, func() proto.Message { return &authv1.VerifyTokenResponse{} })
	if err != nil {
		return nil, err
	}
	r := reply.(*authv1.VerifyTokenResponse)
	v := &Verified{Principal: principalOf(r.GetPrincipal())}
	if v.Principal == nil || v.Principal.UserID == "" {
		return nil, newError(CodeUnavailable, "ANSWER_MALFORMED", "the service named no user")
	}
	if r.GetIssuedAt() != nil {
		v.IssuedAt = r.GetIssuedAt().AsTime()
	}
	if r.GetExpiresAt() != nil {
		v.ExpiresAt = r.GetExpiresAt().AsTime()
	}
	return v, nil
}

// Permissions lists all permissions that the subject has in a scope. Errors: as those of [Client.Can].
func (c *Client) Permissions(ctx context.Context, subject Subject, scope Scope) (*Permissions, error) {
	if err := subject.validate(); err != nil {
		return nil, err
	}
	if err := scope.validate(subject); err != nil {
		return nil, err
	}
	reply, err := c.unary(ctx, "ListPermissions", authv1.AuthService_ListPermissions_FullMethodName,
		listRequest(subject, scope), func() proto.Message { return &authv1.ListPermissionsResponse{} })
	if err != nil {
		return nil, err
	}
	r := reply.(*authv1.ListPermissionsResponse)
	p := &Permissions{
		Permissions: r.GetPermissions(), Roles: r.GetRoles(), Reason: reasonName(r.GetReason()), Source: sourceName(r.GetSource()),
	}
	if r.GetComputedAt() != nil {
		p.ComputedAt = r.GetComputedAt().AsTime()
	}
	return p, nil
}

func listRequest(subject Subject, scope Scope) *authv1.ListPermissionsRequest {
	r := &authv1.ListPermissionsRequest{}
	if subject.kind == subjectUser {
		r.Subject = &authv1.ListPermissionsRequest_UserId{UserId: subject.value}
	} else {
		r.Subject = &authv1.ListPermissionsRequest_Token{Token: subject.value}
	}
	switch scope.kind {
	case scopeOrganization:
		r.Scope = &authv1.ListPermissionsRequest_OrganizationId{OrganizationId: scope.id}
	case scopePlatform:
		r.Scope = &authv1.ListPermissionsRequest_Platform{Platform: &authv1.PlatformScope{}}
	}
	return r
}

// unary makes a separate call, observed and within the timeout.
func (c *Client) unary(ctx context.Context, operation, method string, request proto.Message, newReply func() proto.Message) (proto.Message, error) {
	ctx, headers, end := c.observe(ctx, operation)
	reply, err := c.send(ctx, method, request, newReply, headers)
	if err != nil {
		end(outcomeOf(err))
		return nil, err
	}
	end("OK")
	return reply, nil
}

func (c *Client) send(user context.Context, method string, request proto.Message, newReply func() proto.Message, headers context.Context) (proto.Message, error) {
	ctx, cancel := context.WithTimeout(user, c.settings.timeout)
	defer cancel()
	r := &call{client: c, user: user, ctx: ctx, cancel: cancel, metadata: headers, method: method, request: request, newReply: newReply}
	return r.do()
}

func noEnd(string) {}

// observe starts an operation; the returned metadata is the client's own with that of the observer.
func (c *Client) observe(ctx context.Context, operation string) (context.Context, context.Context, func(string)) {
	if c.settings.observer == nil {
		return ctx, c.metadata, noEnd
	}
	ctx, pairs, end := c.settings.observer.Start(ctx, operation)
	if len(pairs) == 0 {
		return ctx, c.metadata, end
	}
	own, _ := callerMetadata(c.settings.token)
	return ctx, withMetadata(append(own, pairs...)), end
}

// outcomeOf is the code of an error: a label of few values.
func outcomeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return string(e.Code)
	}
	return "CANCELLED"
}

const maxWarnings = 1000

// warnings logs each permission that the policy does not know once.
type warnings struct {
	mu    sync.Mutex
	names map[string]struct{}
}

func (w *warnings) once(logger *slog.Logger, permission string) {
	w.mu.Lock()
	_, known := w.names[permission]
	isNew := !known && len(w.names) < maxWarnings
	if isNew {
		if w.names == nil {
			w.names = map[string]struct{}{}
		}
		w.names[permission] = struct{}{}
	}
	w.mu.Unlock()
	if !isNew {
		return
	}
	if logger == nil {
		logger = slog.Default()
	}
	logger.Warn("assent: the policy does not know this permission, which is therefore denied; is it misspelt?", "permission", permission)
}
