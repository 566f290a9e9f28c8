// Package assent asks Assent, the policy decision service, who a user is and whether they may do something.
//
// Three lines guard a route:
//
//	c, err := assent.New("dns:///assent:50051", assent.WithToken(os.Getenv("ASSENT_TOKEN")))
//	defer c.Close()
//	mux.Handle("POST /orgs/{org}/leave/{id}/approve", c.Guard("leave:approve", assent.PathValue("org"))(approve))
//
// An error never allows anything: [Client.Can] returns false with every error, and the middleware answers 401, 403, 503,
// 400 or 500. Each error of the package is an [*Error] that matches one of [ErrUnauthenticated], [ErrDenied],
// [ErrUnavailable], [ErrInvalid] and [ErrMisconfigured] by [errors.Is]. A cancellation of the caller's context passes
// through: errors.Is(err, context.Canceled).
//
// # Defaults
//
// A call has 1 s ([WithTimeout]), and less when the context has less. After 250 ms without an answer one more attempt goes
// out on another connection, for at most a tenth of the calls and the calls that are in flight at once. A connection that left
// an attempt unanswered gets no new calls until it answers a probe. UNAVAILABLE, and RESOURCE_EXHAUSTED with RetryInfo, are
// tried again within the deadline and a budget. Connections are balanced by round robin over all addresses of a name, are
// checked by grpc.health.v1 and by keepalive (10 s and 2 s), and are made again after 100 ms to 2 s. Checks that wait while a
// call is under way go out as one batch, equal ones once ([WithoutBatching]).
package assent
