// Package assentecho guards the routes of Echo v4 by Assent.
//
//	e.POST("/orgs/:org/leave/:id/approve", approve, assentecho.Guard(c, "leave:approve", assentecho.Param("org")))
package assentecho

import (
	"net/http"

	"github.com/labstack/echo/v4"

	assent "assent.example/go"
)

// Organization is where a guard takes the scope from: [Param], [From], or any assent.ScopeSource by [Scope].
type Organization func(c echo.Context) assent.ScopeSource

// Param takes the organization from a parameter of the path. An empty one, and a name that the path does not have, is 400.
func Param(name string) Organization {
	return From("the path's "+name, func(c echo.Context) string { return c.Param(name) })
}

// From takes the organization from a request by a function; the name stands in the error for an empty id, which is 400.
func From(name string, read func(c echo.Context) string) Organization {
	return func(c echo.Context) assent.ScopeSource {
		return assent.OrganizationFrom(name, func(*http.Request) string { return read(c) })
	}
}

// Scope takes the scope from a source of package assent: assent.Header, assent.Query, assent.BodyField,
// assent.ActiveOrganization(), assent.Platform().
func Scope(source assent.ScopeSource) Organization {
	return func(echo.Context) assent.ScopeSource { return source }
}

// Guard lets a request pass whose user has the permission, in one round trip. The others are answered as by assent's own Guard:
// 401, 403, 400, 503 with Retry-After, 500. A malformed permission, or no organization, panics at the start of the program.
func Guard(client *assent.Client, permission string, organization Organization) echo.MiddlewareFunc {
	return GuardBy(client, assent.BearerToken, permission, organization)
}

// GuardBy is [Guard] with a token from another place, assent.CookieToken for one.
func GuardBy(client *assent.Client, token assent.TokenSource, permission string, organization Organization) echo.MiddlewareFunc {
	if err := assent.ValidatePermission(permission); err != nil {
		panic(err)
	}
	if organization == nil {
		panic("assentecho: the guard of " + permission + " has no organization")
	}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			ctx, err := client.RequireRequest(c.Request(), token, permission, organization(c))
			if err != nil {
				assent.WriteError(c.Response(), err)
				return nil
			}
			c.SetRequest(c.Request().WithContext(ctx))
			return next(c)
		}
	}
}

// Authenticate lets a request pass whose token verifies; 401 for the others. A guarded route does not need it.
func Authenticate(client *assent.Client) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			v, err := client.Verify(c.Request().Context(), assent.BearerToken(c.Request()))
			if err != nil {
				assent.WriteError(c.Response(), err)
				return nil
			}
			c.SetRequest(c.Request().WithContext(assent.WithPrincipal(c.Request().Context(), v.Principal)))
			return next(c)
		}
	}
}

// Principal is the verified user of the request; false where no guard and no Authenticate stands before the handler.
func Principal(c echo.Context) (*assent.Principal, bool) {
	return assent.PrincipalFrom(c.Request().Context())
}
