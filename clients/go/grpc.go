package assent

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// Rule is what a method of a gRPC server requires: [Permission], [Authenticated] or [Public].
type Rule struct {
	kind       ruleKind
	permission string
	scope      Scope
	name       string
	fromMeta   string
	fromMsg    func(message any) string
}

type ruleKind uint8

const (
	ruleNone ruleKind = iota
	rulePublic
	ruleAuthenticated
	rulePermission
)

// Rules are the rules of a server, by full method ("/leave.v1.LeaveService/Approve"), or by service ("/leave.v1.LeaveService/*").
// A method without a rule is refused.
type Rules map[string]Rule

// Public lets every call of a method pass; it has no principal.
func Public() Rule { return Rule{kind: rulePublic} }

// Authenticated requires a token that verifies.
func Authenticated() Rule { return Rule{kind: ruleAuthenticated} }

// Permission requires a permission in a scope that is the same for each call: [ActiveOrganization], [Platform] or an organization.
func Permission(permission string, scope Scope) Rule {
	return Rule{kind: rulePermission, permission: permission, scope: scope}
}

// PermissionByMetadata takes the organization from the call's metadata. An empty one is INVALID_ARGUMENT.
func PermissionByMetadata(permission, key string) Rule {
	return Rule{kind: rulePermission, permission: permission, fromMeta: key, name: "the metadata's " + key}
}

// PermissionByMessage takes the organization from the request message, of a stream from its first message. An empty id is
// INVALID_ARGUMENT, and so is a message of another type.
func PermissionByMessage[M any](permission string, organization func(message M) string) Rule {
	return Rule{kind: rulePermission, permission: permission, name: "the message's organization", fromMsg: func(message any) string {
		m, ok := message.(M)
		if !ok {
			return ""
		}
		return organization(m)
	}}
}

func (rules Rules) of(method string) Rule {
	if rule, ok := rules[method]; ok {
		return rule
	}
	for i := len(method) - 1; i > 0; i-- {
		if method[i] == '/' {
			return rules[method[:i]+"/*"]
		}
	}
	return Rule{}
}

func (rules Rules) validate() {
	for method, rule := range rules {
		if rule.kind == rulePermission {
			if err := validatePermission(rule.permission); err != nil {
				panic(newError(CodeMisconfigured, "PERMISSION_MALFORMED", method+": "+err.Error()))
			}
		}
	}
}

// UnaryServerInterceptor guards the unary methods of a gRPC server. A call that does not pass gets UNAUTHENTICATED,
// PERMISSION_DENIED (a method without a rule, too), INVALID_ARGUMENT, UNAVAILABLE or INTERNAL. The token is that of the metadata
// "authorization: Bearer". A malformed permission among the rules panics here.
func (c *Client) UnaryServerInterceptor(rules Rules) grpc.UnaryServerInterceptor {
	rules.validate()
	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		ctx, err := c.pass(ctx, info.FullMethod, rules.of(info.FullMethod), request)
		if err != nil {
			return nil, err
		}
		return handler(ctx, request)
	}
}

// StreamServerInterceptor guards the streams of a gRPC server, as [Client.UnaryServerInterceptor] does. With
// [PermissionByMessage] the check is made once the first message is there: until then the stream's context has no principal, and
// nothing can be sent. A stream is checked at its beginning, not while it lasts.
func (c *Client) StreamServerInterceptor(rules Rules) grpc.StreamServerInterceptor {
	rules.validate()
	return func(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		rule := rules.of(info.FullMethod)
		if rule.fromMsg != nil {
			if _, err := tokenFrom(stream.Context()); err != nil {
				return err
			}
			s := &waiting{ServerStream: stream, client: c, method: info.FullMethod, rule: rule, ctx: stream.Context()}
			if err := handler(server, s); err != nil {
				return err
			}
			// A handler that does not look at the error of its first message does not succeed.
			return s.refusal()
		}
		ctx, err := c.pass(stream.Context(), info.FullMethod, rule, nil)
		if err != nil {
			return err
		}
		return handler(server, &passed{stream, ctx})
	}
}

// pass is the context of a call that passes its rule.
func (c *Client) pass(ctx context.Context, method string, rule Rule, message any) (context.Context, error) {
	switch rule.kind {
	case rulePublic:
		return ctx, nil
	case ruleNone:
		return nil, newError(CodeDenied, "METHOD_WITHOUT_RULE", method+" has no rule")
	}
	token, err := tokenFrom(ctx)
	if err != nil {
		return nil, err
	}
	if rule.kind == ruleAuthenticated {
		v, err := c.Verify(ctx, token)
		if err != nil {
			return nil, err
		}
		return WithPrincipal(ctx, v.Principal), nil
	}
	scope, err := rule.scopeOf(ctx, message)
	if err != nil {
		return nil, err
	}
	d, err := c.Require(ctx, Token(token), scope, rule.permission)
	if err != nil {
		return nil, err
	}
	if d.Principal == nil || d.Principal.UserID == "" {
		return nil, newError(CodeUnavailable, "ANSWER_MALFORMED", "the service named no user")
	}
	return withDecision(ctx, d), nil
}

func (rule Rule) scopeOf(ctx context.Context, message any) (Scope, error) {
	if rule.fromMsg != nil {
		return OrganizationFromRequest(rule.name, rule.fromMsg(message))
	}
	if rule.fromMeta != "" {
		values := metadata.ValueFromIncomingContext(ctx, rule.fromMeta)
		if len(values) != 1 {
			return OrganizationFromRequest(rule.name, "")
		}
		return OrganizationFromRequest(rule.name, values[0])
	}
	return rule.scope, nil
}

func tokenFrom(ctx context.Context) (string, error) {
	values := metadata.ValueFromIncomingContext(ctx, "authorization")
	if len(values) == 0 {
		return "", validateToken("")
	}
	token := bearer(values[0])
	return token, validateToken(token)
}

// passed is a stream with the context of its check.
type passed struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *passed) Context() context.Context { return s.ctx }

// waiting is a stream whose first message has the organization.
type waiting struct {
	grpc.ServerStream
	client *Client
	method string
	rule   Rule

	once sync.Once
	mu   sync.Mutex
	ctx  context.Context
	err  error
	ok   bool
}

func (s *waiting) Context() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ctx
}

func (s *waiting) RecvMsg(message any) error {
	if err := s.ServerStream.RecvMsg(message); err != nil {
		return err
	}
	s.once.Do(func() {
		ctx, err := s.client.pass(s.ServerStream.Context(), s.method, s.rule, message)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.err = err; err == nil {
			s.ctx, s.ok = ctx, true
		}
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *waiting) SendMsg(message any) error {
	if err := s.passed(); err != nil {
		return err
	}
	return s.ServerStream.SendMsg(message)
}

func (s *waiting) SendHeader(md metadata.MD) error {
	if err := s.passed(); err != nil {
		return err
	}
	return s.ServerStream.SendHeader(md)
}

func (s *waiting) refusal() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *waiting) passed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ok {
		return nil
	}
	if s.err != nil {
		return s.err
	}
	return newError(CodeDenied, "NOT_CHECKED", "nothing can be sent before the first message is there")
}
