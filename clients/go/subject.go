package assent

import (
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	authv1 "assent.example/go/gen/assent/auth/v1"
)

const (
	maxTokenBytes      = 8192
	maxIDBytes         = 512
	maxPermissionBytes = 256
)

type subjectKind uint8

const (
	subjectUnset subjectKind = iota
	subjectUser
	subjectToken
)

// Subject is the user of a check: [User] or [Token]. Its zero value is MISCONFIGURED.
type Subject struct {
	kind  subjectKind
	value string
}

// User is a user whom the calling program has already authenticated, by id. An empty id is MISCONFIGURED
// (USER_EMPTY); one over 512 bytes or not UTF-8 is INVALID.
func User(id string) Subject { return Subject{subjectUser, id} }

// Token is the user whom a JWT names, with or without "Bearer " before it. An empty token is UNAUTHENTICATED
// (TOKEN_MISSING), and so is one over 8,192 bytes (TOKEN_TOO_LONG), before anything is sent.
func Token(token string) Subject { return Subject{subjectToken, token} }

type scopeKind uint8

const (
	scopeUnset scopeKind = iota
	scopeOrganization
	scopeActive
	scopePlatform
)

// Scope is where a permission is asked about: [Organization], [ActiveOrganization] or [Platform]. Its zero value is
// MISCONFIGURED. A Scope is a [ScopeSource], too: the same scope for each request.
type Scope struct {
	kind scopeKind
	id   string
}

// Organization is one organization, by id. An empty id is MISCONFIGURED (ORGANIZATION_EMPTY): it never means the active
// organization. An id over 512 bytes or not UTF-8 is INVALID.
func Organization(id string) Scope { return Scope{scopeOrganization, id} }

// ActiveOrganization is the organization that the token names. With [User] it is MISCONFIGURED.
func ActiveOrganization() Scope { return Scope{kind: scopeActive} }

// Platform is the whole platform: only platform roles count.
func Platform() Scope { return Scope{kind: scopePlatform} }

// scopeOf makes a Scope a ScopeSource.
func (s Scope) scopeOf(*http.Request) (Scope, error) { return s, nil }

type check struct {
	subject    Subject
	scope      Scope
	permission string
}

// validate finds what the service would refuse, and what it would misread, before anything is sent.
func (k check) validate() error {
	if err := k.subject.validate(); err != nil {
		return err
	}
	if err := k.scope.validate(k.subject); err != nil {
		return err
	}
	return validatePermission(k.permission)
}

func (s Subject) validate() error {
	switch s.kind {
	case subjectUser:
		if s.value == "" {
			return newError(CodeMisconfigured, "USER_EMPTY", "the user's id is empty")
		}
		return validateID("USER", "user's id", s.value)
	case subjectToken:
		return validateToken(s.value)
	}
	return newError(CodeMisconfigured, "SUBJECT_MISSING", "a check needs assent.User(id) or assent.Token(token)")
}

func validateToken(token string) error {
	if token == "" {
		return newError(CodeUnauthenticated, "TOKEN_MISSING", "there is no token")
	}
	if len(token) > maxTokenBytes {
		return newError(CodeUnauthenticated, "TOKEN_TOO_LONG", fmt.Sprintf("the token has %d bytes; 8192 are allowed", len(token)))
	}
	if !utf8.ValidString(token) {
		return newError(CodeUnauthenticated, "TOKEN_MALFORMED", "the token is not UTF-8")
	}
	return nil
}

func (s Scope) validate(subject Subject) error {
	switch s.kind {
	case scopeOrganization:
		if s.id == "" {
			return newError(CodeMisconfigured, "ORGANIZATION_EMPTY",
				"the organization's id is empty; assent.ActiveOrganization() asks about the active one")
		}
		return validateID("ORGANIZATION", "organization's id", s.id)
	case scopeActive:
		if subject.kind == subjectUser {
			return newError(CodeMisconfigured, "ORGANIZATION_MISSING",
				"a user's id has no active organization: name one by assent.Organization(id), or ask by token")
		}
		return nil
	case scopePlatform:
		return nil
	}
	return newError(CodeMisconfigured, "SCOPE_MISSING",
		"a check needs assent.Organization(id), assent.ActiveOrganization() or assent.Platform()")
}

func validateID(prefix, name, id string) error {
	if len(id) > maxIDBytes {
		return newError(CodeInvalid, prefix+"_TOO_LONG", fmt.Sprintf("the %s has %d bytes; 512 are allowed", name, len(id)))
	}
	if !utf8.ValidString(id) {
		return newError(CodeInvalid, prefix+"_NOT_UTF8", "the "+name+" is not UTF-8")
	}
	return nil
}

func validatePermission(permission string) error {
	colon := strings.IndexByte(permission, ':')
	if colon <= 0 || colon == len(permission)-1 || len(permission) > maxPermissionBytes ||
		strings.ContainsAny(permission, "* \t\r\n") || !utf8.ValidString(permission) {
		return newError(CodeMisconfigured, "PERMISSION_MALFORMED",
			fmt.Sprintf("the permission %.80q is not resource:action of at most 256 bytes without wildcards", permission))
	}
	return nil
}

func (k check) request() *authv1.CheckPermissionRequest {
	r := &authv1.CheckPermissionRequest{Permission: k.permission}
	if k.subject.kind == subjectUser {
		r.Subject = &authv1.CheckPermissionRequest_UserId{UserId: k.subject.value}
	} else {
		r.Subject = &authv1.CheckPermissionRequest_Token{Token: k.subject.value}
	}
	switch k.scope.kind {
	case scopeOrganization:
		r.Scope = &authv1.CheckPermissionRequest_OrganizationId{OrganizationId: k.scope.id}
	case scopePlatform:
		r.Scope = &authv1.CheckPermissionRequest_Platform{Platform: &authv1.PlatformScope{}}
	}
	return r
}

// size is about the bytes of the check on the wire.
func (k check) size() int { return len(k.subject.value) + len(k.scope.id) + len(k.permission) + 32 }

// ValidatePermission is MISCONFIGURED (PERMISSION_MALFORMED) for a text that is no permission: for middleware, which refuses it at
// the start of a program.
func ValidatePermission(permission string) error { return validatePermission(permission) }
