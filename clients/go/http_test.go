package assent_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	assent "assent.example/go"
	"assent.example/go/assenttest"
)

func TestMiddlewareGuardsRoutesOfNetHTTP(t *testing.T) {
	fake := assenttest.New(t)
	fake.Allow("u1", "acme", "leave:approve")
	fake.Allow("root", assenttest.Platform, "leave:approve")
	c := fake.Client()
	name := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, ok := assent.PrincipalFrom(r.Context())
		if !ok {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		body, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, p.UserID+string(body))
	})
	mux := http.NewServeMux()
	mux.Handle("POST /orgs/{org}/approve", c.Guard("leave:approve", assent.PathValue("org"))(name))
	mux.Handle("POST /misspelt/{org}", c.Guard("leave:approve", assent.PathValue("organization"))(name))
	mux.Handle("POST /header", c.Guard("leave:approve", assent.Header("X-Org"))(name))
	mux.Handle("POST /query", c.Guard("leave:approve", assent.Query("org"))(name))
	mux.Handle("POST /body", c.Guard("leave:approve", assent.BodyField("org"))(name))
	mux.Handle("POST /active", c.Guard("leave:approve", assent.ActiveOrganization())(name))
	mux.Handle("POST /platform", c.Guard("leave:approve", assent.Platform())(name))
	mux.Handle("POST /cookie", c.GuardBy(assent.CookieToken("session"), "leave:approve", assent.Organization("acme"))(name))
	mux.Handle("POST /me", name)
	handler := c.Authenticate(mux)
	token := fake.Token("u1", "acme")
	for _, row := range []struct {
		path, token, body string
		status            int
		answer            string
		calls             int
	}{
		{"/orgs/acme/approve", token, "", 200, "u1", 1},
		{"/orgs/other/approve", token, "", 403, `{"error":"DENIED","reason":"ROLE_LACKS_PERMISSION"}`, 1},
		{"/orgs//approve", token, "", 307, "", 1}, // ServeMux cleans the path; its redirect stands behind Authenticate
		{"/orgs/%20/approve", token, "", 403, "", 1},
		{"/misspelt/acme", token, "", 400, `{"error":"INVALID","reason":"ORGANIZATION_EMPTY"}`, 0},
		{"/orgs/acme/approve", "", "", 401, `{"error":"UNAUTHENTICATED","reason":"TOKEN_MISSING"}`, 0},
		{"/orgs/acme/approve", "forged", "", 401, `{"error":"UNAUTHENTICATED","reason":"TOKEN_MALFORMED"}`, 1},
		{"/orgs/acme/approve", strings.Repeat("x", 9000), "", 401, `{"error":"UNAUTHENTICATED","reason":"TOKEN_TOO_LONG"}`, 0},
		{"/orgs/" + strings.Repeat("x", 600) + "/approve", token, "", 400, "", 0},
		{"/header", token, "", 400, "", 0},
		{"/query?org=acme", token, "", 200, "u1", 1},
		{"/query", token, "", 400, "", 0},
		{"/body", token, `{"org":"acme"}`, 200, `u1{"org":"acme"}`, 1},
		{"/body", token, `{"ORG":"acme"}`, 400, "", 0},
		{"/body", token, `{"org":7}`, 400, "", 0},
		{"/body", token, `[`, 400, "", 0},
		{"/body", token, `{"org":"` + strings.Repeat("x", 1<<20) + `"}`, 400, "", 0},
		{"/active", token, "", 200, "u1", 1},
		{"/active", fake.Token("u1", ""), "", 403, "", 1},
		{"/platform", token, "", 403, "", 1},
		{"/platform", fake.Token("root", ""), "", 200, "root", 1},
		{"/cookie", token, "", 401, "", 0},
		{"/me", token, "", 200, "u1", 1},
		{"/me", "forged", "", 401, "", 1},
		{"/me", "", "", 401, "", 0},
	} {
		before := fake.Calls()
		r := httptest.NewRequest("POST", row.path, strings.NewReader(row.body))
		if row.token != "" {
			r.Header.Set("Authorization", "Bearer "+row.token)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != row.status || (row.answer != "" && strings.TrimSpace(w.Body.String()) != row.answer) || fake.Calls()-before != row.calls {
			t.Errorf("%.40s with %.20q: %d %s after %d calls", row.path, row.token, w.Code, w.Body, fake.Calls()-before)
		}
	}
	r := httptest.NewRequest("POST", "/cookie", nil)
	r.AddCookie(&http.Cookie{Name: "session", Value: token})
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if w.Code != 200 {
		t.Error(w.Code)
	}
	fake.Fail(assent.ErrUnavailable)
	r = httptest.NewRequest("POST", "/active", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w = httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if w.Code != 503 || w.Header().Get("Retry-After") != "1" {
		t.Error(w.Code, w.Header())
	}
}

func TestAGuardWithAMalformedPermissionDoesNotStart(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Fatal("it started")
		}
	}()
	assenttest.New(t).Client().Guard("approve", assent.PathValue("org"))
}

func TestInterceptorsRefuseAMethodWithoutARule(t *testing.T) {
	fake := assenttest.New(t)
	fake.Allow("u1", "svc", "health:read")
	byMessage := assent.PermissionByMessage("health:read", func(m *healthpb.HealthCheckRequest) string { return m.GetService() })
	call := func(rules assent.Rules, token, organization string) (unary, stream codes.Code) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := grpc.NewServer(grpc.UnaryInterceptor(fake.Client().UnaryServerInterceptor(rules)), grpc.StreamInterceptor(fake.Client().StreamServerInterceptor(rules)))
		h := health.NewServer()
		h.SetServingStatus("svc", healthpb.HealthCheckResponse_SERVING)
		healthpb.RegisterHealthServer(server, h)
		go func() { _ = server.Serve(listener) }()
		defer server.Stop()
		conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		ctx := metadata.AppendToOutgoingContext(context.Background(), "x-org", organization)
		if token != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
		}
		client := healthpb.NewHealthClient(conn)
		_, unaryErr := client.Check(ctx, &healthpb.HealthCheckRequest{Service: organization})
		watch, err := client.Watch(ctx, &healthpb.HealthCheckRequest{Service: organization})
		if err == nil {
			_, err = watch.Recv()
		}
		return status.Code(unaryErr), status.Code(err)
	}
	token := fake.Token("u1", "svc")
	service := "/grpc.health.v1.Health/*"
	for name, row := range map[string]struct {
		rules               assent.Rules
		token, organization string
		want                codes.Code
	}{
		"no rule":                 {assent.Rules{}, token, "svc", codes.PermissionDenied},
		"public":                  {assent.Rules{service: assent.Public()}, "", "svc", codes.OK},
		"authenticated":           {assent.Rules{service: assent.Authenticated()}, token, "svc", codes.OK},
		"without a token":         {assent.Rules{service: assent.Authenticated()}, "", "svc", codes.Unauthenticated},
		"a forged token":          {assent.Rules{service: assent.Authenticated()}, "forged", "svc", codes.Unauthenticated},
		"active organization":     {assent.Rules{service: assent.Permission("health:read", assent.ActiveOrganization())}, token, "svc", codes.OK},
		"denied":                  {assent.Rules{service: assent.Permission("health:read", assent.Platform())}, token, "svc", codes.PermissionDenied},
		"metadata":                {assent.Rules{service: assent.PermissionByMetadata("health:read", "x-org")}, token, "svc", codes.OK},
		"empty metadata":          {assent.Rules{service: assent.PermissionByMetadata("health:read", "x-org")}, token, "", codes.InvalidArgument},
		"message":                 {assent.Rules{service: byMessage}, token, "svc", codes.OK},
		"message without a token": {assent.Rules{service: byMessage}, "", "svc", codes.Unauthenticated},
		"message denied":          {assent.Rules{service: byMessage}, token, "other", codes.PermissionDenied},
		"empty message":           {assent.Rules{service: byMessage}, token, "", codes.InvalidArgument},
	} {
		if unary, stream := call(row.rules, row.token, row.organization); unary != row.want || stream != row.want {
			t.Errorf("%s: %v and %v, not %v", name, unary, stream, row.want)
		}
	}
}
