package assent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ScopeSource is where a guard takes the scope of a check from: [PathValue], [Header], [Query], [BodyField], or a [Scope] that
// is the same for each request.
type ScopeSource interface {
	scopeOf(r *http.Request) (Scope, error)
}

type scopeFunc func(r *http.Request) (Scope, error)

func (f scopeFunc) scopeOf(r *http.Request) (Scope, error) { return f(r) }

// OrganizationFrom takes the organization's id from a request by a function. An empty id is INVALID: a user can ask for
// "/orgs//leave". The name stands in the error.
func OrganizationFrom(name string, read func(r *http.Request) string) ScopeSource {
	return scopeFunc(func(r *http.Request) (Scope, error) { return OrganizationFromRequest(name, read(r)) })
}

// OrganizationFromRequest is the scope of a value that a user sent: an empty one is INVALID (ORGANIZATION_EMPTY), not
// MISCONFIGURED as with [Organization]. The name stands in the error.
func OrganizationFromRequest(name, id string) (Scope, error) {
	if id == "" {
		return Scope{}, newError(CodeInvalid, "ORGANIZATION_EMPTY", "the request names no organization: "+name+" is empty")
	}
	return Organization(id), nil
}

// PathValue takes the organization from a wildcard of the route's pattern, "/orgs/{org}/…": that of net/http's ServeMux or chi.
func PathValue(name string) ScopeSource {
	return OrganizationFrom("the path's "+name, func(r *http.Request) string { return r.PathValue(name) })
}

// Header takes the organization from a header of the request.
func Header(name string) ScopeSource {
	return OrganizationFrom("the header "+name, func(r *http.Request) string { return r.Header.Get(name) })
}

// Query takes the organization from a parameter of the query.
func Query(name string) ScopeSource {
	return OrganizationFrom("the query's "+name, func(r *http.Request) string { return r.URL.Query().Get(name) })
}

const maxBody = 1 << 20

// BodyField takes the organization from a field at the top of a JSON body of at most 1 MiB. The handler reads the body as if
// nothing had been read. A body that is larger, or no JSON object, is INVALID.
func BodyField(name string) ScopeSource {
	return scopeFunc(func(r *http.Request) (Scope, error) {
		if r.Body == nil {
			return OrganizationFromRequest("the body's "+name, "")
		}
		body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
		if err != nil {
			return Scope{}, newError(CodeInvalid, "BODY_UNREADABLE", "the body could not be read")
		}
		if len(body) > maxBody {
			return Scope{}, newError(CodeInvalid, "BODY_TOO_LARGE", "the body has more than 1 MiB")
		}
		r.Body = &restored{bytes.NewReader(body), r.Body}
		// A map and not a struct: encoding/json matches the names of struct fields in any case.
		var fields map[string]json.RawMessage
		var id string
		if json.Unmarshal(body, &fields) != nil || (fields[name] != nil && json.Unmarshal(fields[name], &id) != nil) {
			return Scope{}, newError(CodeInvalid, "BODY_MALFORMED", "the body is no JSON object with the text "+name)
		}
		return OrganizationFromRequest("the body's "+name, id)
	})
}

type restored struct {
	*bytes.Reader
	io.Closer
}

type principalKey struct{}

// PrincipalFrom is the verified user of a request behind [Client.Authenticate], [Client.Guard] or one of the interceptors.
// It is false where there is none; a principal that is there is never nil.
func PrincipalFrom(ctx context.Context) (*Principal, bool) {
	p, ok := ctx.Value(principalKey{}).(*Principal)
	return p, ok && p != nil
}

type decisionKey struct{}

// DecisionFrom is the decision of the guard that let the request pass; false where there is none.
func DecisionFrom(ctx context.Context) (*Decision, bool) {
	d, ok := ctx.Value(decisionKey{}).(*Decision)
	return d, ok && d != nil
}

// WithPrincipal is ctx with a principal, for tests of handlers.
func WithPrincipal(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

func withDecision(ctx context.Context, d *Decision) context.Context {
	return WithPrincipal(context.WithValue(ctx, decisionKey{}, d), d.Principal)
}

// guarded is a handler behind a guard, which verifies the token with its check.
type guarded struct{ http.Handler }

// Authenticate lets a request pass whose token verifies, and puts the principal into its context; 401 for the others. Around a
// guard, or a ServeMux with guards, it leaves the token of a guarded route to the guard: nothing is verified twice.
// The token is that of "Authorization: Bearer"; [Client.AuthenticateBy] takes another.
func (c *Client) Authenticate(next http.Handler) http.Handler {
	return c.AuthenticateBy(BearerToken)(next)
}

// TokenSource finds the user's token in a request; "" when there is none.
type TokenSource func(r *http.Request) string

// BearerToken is the token of "Authorization: Bearer".
func BearerToken(r *http.Request) string { return bearer(r.Header.Get("Authorization")) }

func bearer(value string) string {
	if len(value) < 7 || !strings.EqualFold(value[:7], "bearer ") {
		return ""
	}
	return strings.TrimSpace(value[7:])
}

// CookieToken is the token in a cookie.
func CookieToken(name string) TokenSource {
	return func(r *http.Request) string {
		cookie, err := r.Cookie(name)
		if err != nil {
			return ""
		}
		return cookie.Value
	}
}

// HeaderToken is the token in another header, with or without "Bearer ".
func HeaderToken(name string) TokenSource {
	return func(r *http.Request) string {
		value := r.Header.Get(name)
		if token := bearer(value); token != "" {
			return token
		}
		return value
	}
}

// AuthenticateBy is [Client.Authenticate] with a token from another place.
func (c *Client) AuthenticateBy(source TokenSource) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if isGuarded(next, r) {
				next.ServeHTTP(w, r)
				return
			}
			v, err := c.Verify(r.Context(), source(r))
			if err != nil {
				WriteError(w, err)
				return
			}
			next.ServeHTTP(w, r.WithContext(WithPrincipal(r.Context(), v.Principal)))
		})
	}
}

func isGuarded(next http.Handler, r *http.Request) bool {
	if mux, ok := next.(*http.ServeMux); ok {
		next, _ = mux.Handler(r)
	}
	_, ok := next.(*guarded)
	return ok
}

// Guard lets a request pass whose user may do something in the scope, and puts the principal and the decision into its context.
// One round trip verifies the token and decides. It answers 401 (no token, or one that does not verify), 403 (denied), 400 (an
// organization that is empty or malformed), 503 with Retry-After (no answer) and 500 (the permission or this program's
// configuration). A permission that is malformed panics here, at the start of the program.
func (c *Client) Guard(permission string, scope ScopeSource) func(http.Handler) http.Handler {
	return c.GuardBy(BearerToken, permission, scope)
}

// GuardBy is [Client.Guard] with a token from another place.
func (c *Client) GuardBy(source TokenSource, permission string, scope ScopeSource) func(http.Handler) http.Handler {
	if err := validatePermission(permission); err != nil {
		panic(err)
	}
	if scope == nil {
		panic(newError(CodeMisconfigured, "SCOPE_MISSING", "the guard of "+permission+" has no scope"))
	}
	return func(next http.Handler) http.Handler {
		return &guarded{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, err := c.RequireRequest(r, source, permission, scope)
			if err != nil {
				WriteError(w, err)
				return
			}
			next.ServeHTTP(w, r.WithContext(ctx))
		})}
	}
}

// RequireRequest is the check of [Client.Guard] for frameworks: the context has the principal and the decision.
// A missing token is judged before the scope, so that a stranger learns nothing about the route.
func (c *Client) RequireRequest(r *http.Request, source TokenSource, permission string, from ScopeSource) (context.Context, error) {
	token := source(r)
	if err := validateToken(token); err != nil {
		return nil, err
	}
	scope, err := from.scopeOf(r)
	if err != nil {
		return nil, err
	}
	d, err := c.Require(r.Context(), Token(token), scope, permission)
	if err != nil {
		return nil, err
	}
	if d.Principal == nil || d.Principal.UserID == "" {
		return nil, newError(CodeUnavailable, "ANSWER_MALFORMED", "the service named no user")
	}
	return withDecision(r.Context(), d), nil
}

// WriteError answers a request with the error's status, Retry-After where it applies, and {"error":CODE,"reason":REASON}. The
// body of 500 has no reason. Nothing is written when the request was cancelled.
func WriteError(w http.ResponseWriter, err error) {
	var e *Error
	if !errors.As(err, &e) {
		if errors.Is(err, context.Canceled) {
			return
		}
		e = newError(CodeUnavailable, "UNKNOWN", err.Error())
	}
	body := map[string]string{"error": string(e.Code)}
	switch e.Code {
	case CodeMisconfigured:
	case CodeUnauthenticated:
		w.Header().Set("WWW-Authenticate", "Bearer")
		body["reason"] = e.Reason
	case CodeUnavailable:
		w.Header().Set("Retry-After", strconv.Itoa(int(max(time.Second, e.RetryAfter+time.Second-1)/time.Second)))
		body["reason"] = e.Reason
	default:
		body["reason"] = e.Reason
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(e.HTTPStatus)
	_ = json.NewEncoder(w).Encode(body)
}
