package assentecho

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"

	assent "assent.example/go"
	"assent.example/go/assenttest"
)

func TestARouteIsGuardedByItsPath(t *testing.T) {
	fake := assenttest.New(t)
	fake.Allow("u1", "acme", "leave:approve")
	e := echo.New()
	name := func(c echo.Context) error {
		p, ok := Principal(c)
		if !ok {
			return c.String(http.StatusTeapot, "no principal")
		}
		return c.String(http.StatusOK, p.UserID)
	}
	e.POST("/orgs/:org/approve", name, Guard(fake.Client(), "leave:approve", Param("org")))
	e.POST("/misspelt/:org", name, Guard(fake.Client(), "leave:approve", Param("organization")))
	e.POST("/active", name, Guard(fake.Client(), "leave:approve", Scope(assent.ActiveOrganization())))
	e.GET("/me", name, Authenticate(fake.Client()))
	for _, row := range []struct {
		method, path, token string
		status              int
		body                string
	}{
		{"POST", "/orgs/acme/approve", fake.Token("u1", ""), 200, "u1"},
		{"POST", "/orgs/other/approve", fake.Token("u1", "acme"), 403, ""},
		{"POST", "/orgs//approve", fake.Token("u1", "acme"), 400, ""},
		{"POST", "/misspelt/acme", fake.Token("u1", "acme"), 400, ""},
		{"POST", "/orgs/acme/approve", "", 401, ""},
		{"POST", "/orgs/acme/approve", "forged", 401, ""},
		{"POST", "/active", fake.Token("u1", "acme"), 200, "u1"},
		{"GET", "/me", fake.Token("u2", ""), 200, "u2"},
		{"GET", "/me", "forged", 401, ""},
		{"GET", "/me", "", 401, ""},
	} {
		r := httptest.NewRequest(row.method, row.path, nil)
		if row.token != "" {
			r.Header.Set("Authorization", "Bearer "+row.token)
		}
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		if w.Code != row.status || (row.body != "" && w.Body.String() != row.body) {
			t.Errorf("%s with %.20q: %d %s", row.path, row.token, w.Code, w.Body)
		}
	}
	fake.Fail(assent.ErrUnavailable)
	r := httptest.NewRequest("POST", "/orgs/acme/approve", nil)
	r.Header.Set("Authorization", "Bearer "+fake.Token("u1", ""))
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	if w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Error(w.Code, w.Header())
	}
}
