package assent

import (
	"strings"
	"time"

	authv1 "assent.example/go/gen/assent/auth/v1"
)

// Decision is the answer to a check, with all that is needed to explain it.
type Decision struct {
	// Allowed is whether the user may. Nothing but true allows.
	Allowed bool
	// Reason is why, without its prefix: ROLE_GRANTS, NOT_A_MEMBER, UNKNOWN_PERMISSION and so on.
	Reason string
	// Roles are the user's roles in the scope.
	Roles []string
	// GrantedBy is the role that grants the permission; empty when denied.
	GrantedBy string
	// Source is where the facts came from: MEMORY, REDIS, DATABASE or TOKEN.
	Source string
	// ComputedAt is when the facts were read from PostgreSQL.
	ComputedAt time.Time
	// Principal is the user whom the token names; nil when the check named a user's id.
	Principal *Principal
}

// Principal is the user whom a verified token names. Role and OrganizationRole are claims: they never grant anything.
type Principal struct {
	// UserID is never empty.
	UserID string
	// Email is empty when the token has none.
	Email string
	// Role has the platform roles of the token, several separated by commas.
	Role string
	// OrganizationID is the active organization; empty when there is none.
	OrganizationID string
	// OrganizationRole has the roles in the active organization, as Role.
	OrganizationRole string
	// Active is false for a user whose token says so: every permission is denied.
	Active bool
	// ClientID is the application that acts for the user; empty when the user acts.
	ClientID string
	// Scopes narrow what an application may; empty for other tokens.
	Scopes []string
}

// Verified is the content of a verified token.
type Verified struct {
	// Principal is the user. Never nil.
	Principal *Principal
	// IssuedAt is zero when the token has no time of issue.
	IssuedAt time.Time
	// ExpiresAt is when the token expires.
	ExpiresAt time.Time
}

// Permissions are all permissions of a user in a scope.
type Permissions struct {
	// Permissions are sorted, each once; a wildcard of the policy is there as pairs and as its pattern.
	Permissions []string
	// Roles are the user's roles in the scope.
	Roles []string
	// Reason is why there are permissions, or none, as in [Decision].
	Reason string
	// Source is where the facts came from, as in [Decision].
	Source string
	// ComputedAt is when the facts were read from PostgreSQL.
	ComputedAt time.Time
}

// Has reports whether the user has the permission. A pattern is not matched: the pairs that it covers are in the list.
func (p *Permissions) Has(permission string) bool {
	for _, one := range p.Permissions {
		if one == permission {
			return true
		}
	}
	return false
}

func decisionOf(r *authv1.CheckPermissionResponse) *Decision {
	d := &Decision{
		Allowed: r.GetAllowed(), Reason: reasonName(r.GetReason()), Roles: r.GetRoles(), GrantedBy: r.GetGrantedBy(),
		Source: sourceName(r.GetSource()), Principal: principalOf(r.GetPrincipal()),
	}
	if r.GetComputedAt() != nil {
		d.ComputedAt = r.GetComputedAt().AsTime()
	}
	return d
}

func principalOf(p *authv1.Principal) *Principal {
	if p == nil {
		return nil
	}
	return &Principal{
		UserID: p.GetUserId(), Email: p.GetEmail(), Role: p.GetRole(), OrganizationID: p.GetOrganizationId(),
		OrganizationRole: p.GetOrganizationRole(), Active: p.GetIsActive(), ClientID: p.GetClientId(), Scopes: p.GetScopes(),
	}
}

// reasonName leaves out the prefix of the enum. A reason of a newer service is REASON and its number.
func reasonName(r authv1.Reason) string { return strings.TrimPrefix(r.String(), "REASON_") }

func sourceName(s authv1.Source) string { return strings.TrimPrefix(s.String(), "SOURCE_") }
