package assent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	authv1 "assent.example/go/gen/assent/auth/v1"
)

var ctx = context.Background()

func reasonOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return fmt.Sprint(err)
}

func TestABadArgumentIsATypedErrorBeforeAnythingIsSent(t *testing.T) {
	s := serve(t, "127.0.0.1:0")
	c := newClient(t, s.address)
	long := strings.Repeat("x", 513)
	for _, row := range []struct {
		subject    Subject
		scope      Scope
		permission string
		kind       error
		reason     string
	}{
		{Token(""), ActiveOrganization(), "a:b", ErrUnauthenticated, "TOKEN_MISSING"},
		{Token(strings.Repeat("x", 8193)), ActiveOrganization(), "a:b", ErrUnauthenticated, "TOKEN_TOO_LONG"},
		{Token("x\xff"), ActiveOrganization(), "a:b", ErrUnauthenticated, "TOKEN_MALFORMED"},
		{Subject{}, Platform(), "a:b", ErrMisconfigured, "SUBJECT_MISSING"},
		{User(""), Platform(), "a:b", ErrMisconfigured, "USER_EMPTY"},
		{User(long), Platform(), "a:b", ErrInvalid, "USER_TOO_LONG"},
		{User("\xff"), Platform(), "a:b", ErrInvalid, "USER_NOT_UTF8"},
		{User("u"), Organization(""), "a:b", ErrMisconfigured, "ORGANIZATION_EMPTY"},
		{User("u"), Organization(long), "a:b", ErrInvalid, "ORGANIZATION_TOO_LONG"},
		{User("u"), Organization("\xff"), "a:b", ErrInvalid, "ORGANIZATION_NOT_UTF8"},
		{User("u"), ActiveOrganization(), "a:b", ErrMisconfigured, "ORGANIZATION_MISSING"},
		{User("u"), Scope{}, "a:b", ErrMisconfigured, "SCOPE_MISSING"},
		{User("u"), Platform(), "", ErrMisconfigured, "PERMISSION_MALFORMED"},
		{User("u"), Platform(), "leave", ErrMisconfigured, "PERMISSION_MALFORMED"},
		{User("u"), Platform(), ":b", ErrMisconfigured, "PERMISSION_MALFORMED"},
		{User("u"), Platform(), "a:", ErrMisconfigured, "PERMISSION_MALFORMED"},
		{User("u"), Platform(), "a:*", ErrMisconfigured, "PERMISSION_MALFORMED"},
		{User("u"), Platform(), "a:" + long, ErrMisconfigured, "PERMISSION_MALFORMED"},
	} {
		allowed, err := c.Can(ctx, row.subject, row.scope, row.permission)
		if allowed || !errors.Is(err, row.kind) || reasonOf(err) != row.reason {
			t.Errorf("%.20v %.20v %.20q: %v, %v", row.subject, row.scope, row.permission, allowed, err)
		}
	}
	if n := s.calls.Load(); n != 0 {
		t.Errorf("%d calls were sent", n)
	}
}

func TestAnAddressThatIsNoneIsNamedAtTheStart(t *testing.T) {
	for target, reason := range map[string]string{
		"": "ADDRESS_MISSING", " ": "ADDRESS_MISSING", "dns:///": "ADDRESS_MALFORMED", ":50051": "ADDRESS_MALFORMED",
		"http://a:1": "ADDRESS_MALFORMED", "a:0": "ADDRESS_MALFORMED", "a:99999": "ADDRESS_MALFORMED", "a:b c": "ADDRESS_MALFORMED",
		"a,,b": "ADDRESS_MALFORMED", "dns://assent:50051": "ADDRESS_MALFORMED", "unix:": "ADDRESS_MALFORMED",
	} {
		if _, err := New(target); !errors.Is(err, ErrMisconfigured) || reasonOf(err) != reason {
			t.Errorf("%q: %v", target, err)
		}
	}
	for _, target := range []string{"a", "a:1", "dns:///a:1", "dns:a:1", "127.0.0.1", "::1", "[::1]:1", "ipv4:1.2.3.4:1,1.2.3.5:1", "a:1,b:2", "unix:///tmp/x", "dns://127.0.0.1/a:1"} {
		if _, err := parseTarget(target); err != nil {
			t.Errorf("%q: %v", target, err)
		}
	}
	if _, err := New("a:1", WithToken("a\n")); reasonOf(err) != "TOKEN_MALFORMED" {
		t.Error(err)
	}
	if _, err := New("a:1", WithTimeout(0)); reasonOf(err) != "TIMEOUT_INVALID" {
		t.Error(err)
	}
}

func TestEachStatusOfTheServiceHasItsCode(t *testing.T) {
	s := serve(t, "127.0.0.1:0")
	c := newClient(t, s.address)
	for _, row := range []struct {
		err    error
		kind   error
		reason string
	}{
		{withReason(codes.Unauthenticated, "TOKEN_EXPIRED"), ErrUnauthenticated, "TOKEN_EXPIRED"},
		{withReason(codes.Unauthenticated, "CALLER_UNAUTHENTICATED"), ErrMisconfigured, "CALLER_UNAUTHENTICATED"},
		{status.Error(codes.Unauthenticated, ""), ErrMisconfigured, "CALLER_UNAUTHENTICATED"},
		{withReason(codes.PermissionDenied, "CALLER_METHOD_NOT_ALLOWED"), ErrMisconfigured, "CALLER_METHOD_NOT_ALLOWED"},
		{status.Error(codes.Unimplemented, ""), ErrMisconfigured, "UNIMPLEMENTED"},
		{withField("permission"), ErrMisconfigured, "INVALID_ARGUMENT"},
		{withField("user_id"), ErrInvalid, "INVALID_ARGUMENT"},
		{withField("token"), ErrUnauthenticated, "TOKEN_INVALID"},
		{status.Error(codes.ResourceExhausted, ""), ErrUnavailable, "RESOURCE_EXHAUSTED"},
		{status.Error(codes.Internal, ""), ErrUnavailable, "INTERNAL"},
		{status.Error(codes.Unknown, ""), ErrUnavailable, "UNKNOWN"},
		{withReason(codes.Unavailable, "DATABASE_UNAVAILABLE"), ErrUnavailable, "DATABASE_UNAVAILABLE"},
	} {
		s.decide = func(context.Context, *authv1.CheckPermissionRequest) (*authv1.CheckPermissionResponse, error) {
			return nil, row.err
		}
		allowed, err := c.Can(ctx, User("u"), Platform(), "a:b")
		if allowed || !errors.Is(err, row.kind) || reasonOf(err) != row.reason {
			t.Errorf("%v: %v, %v", row.err, allowed, err)
		}
	}
}

func TestOverloadWithADelayIsTriedAgainAfterTheDelay(t *testing.T) {
	s := serve(t, "127.0.0.1:0")
	var n atomic.Int64
	s.decide = func(ctx context.Context, r *authv1.CheckPermissionRequest) (*authv1.CheckPermissionResponse, error) {
		if n.Add(1) == 1 {
			return nil, withRetry(30 * time.Millisecond)
		}
		return allowAll(ctx, r)
	}
	begun := time.Now()
	allowed, err := newClient(t, s.address).Can(ctx, User("u"), Platform(), "a:b")
	if !allowed || err != nil || time.Since(begun) < 30*time.Millisecond {
		t.Fatal(allowed, err, time.Since(begun))
	}
}

func TestTheCallerTokenGoesAlongAndTheApplicationsMetadataDoesNot(t *testing.T) {
	s := serve(t, "127.0.0.1:0")
	c := newClient(t, s.address, WithToken("secret"))
	out := metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer other", "x-own", "1")
	if _, err := c.Can(out, User("u"), Platform(), "a:b"); err != nil {
		t.Fatal(err)
	}
	if got := s.last.Get("authorization"); len(got) != 1 || got[0] != "Bearer secret" || len(s.last.Get("x-own")) != 0 {
		t.Fatal(s.last)
	}
}

func TestACancellationPassesThroughAndADeadlineIsUnavailable(t *testing.T) {
	for name, options := range map[string][]Option{"alone": {WithoutBatching()}, "batched": nil} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, "127.0.0.1:0")
			c := newClient(t, s.address, append(options, WithTimeout(150*time.Millisecond))...)
			if _, err := c.Can(ctx, User("u"), Platform(), "a:b"); err != nil {
				t.Fatal(err)
			}
			thaw := s.freeze()
			defer thaw()
			var all sync.WaitGroup
			for n := range 4 {
				all.Go(func() {
					if _, err := c.Can(ctx, User(fmt.Sprint(n)), Platform(), "a:b"); !errors.Is(err, ErrUnavailable) || reasonOf(err) != "DEADLINE_EXCEEDED" || !errors.Is(err, context.DeadlineExceeded) {
						t.Error(err)
					}
				})
				all.Go(func() {
					canceled, cancel := context.WithCancel(ctx)
					time.AfterFunc(20*time.Millisecond, cancel)
					if _, err := c.Can(canceled, User(fmt.Sprint(n)), Platform(), "a:b"); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnavailable) {
						t.Error(err)
					}
				})
			}
			all.Wait()
		})
	}
}

func TestChecksThatWaitGoOutAsOneBatchAndEqualOnesOnce(t *testing.T) {
	s := serve(t, "127.0.0.1:0")
	c := newClient(t, s.address)
	first := make(chan struct{})
	var once sync.Once
	s.decide = func(ctx context.Context, r *authv1.CheckPermissionRequest) (*authv1.CheckPermissionResponse, error) {
		if r.GetUserId() == "first" {
			once.Do(func() { <-first })
		}
		d, _ := allowAll(ctx, r)
		d.Allowed = r.GetUserId() != "u1"
		return d, nil
	}
	var all sync.WaitGroup
	close(first)
	goTogether(t, c, 3)
	for n := range 30 {
		all.Go(func() {
			user := fmt.Sprint("u", n%3)
			if allowed, err := c.Can(ctx, User(user), Platform(), "a:b"); err != nil || allowed == (user == "u1") {
				t.Error(user, allowed, err)
			}
		})
	}
	all.Wait()
	if calls, checks := s.calls.Load(), s.checks.Load(); calls > 6 || checks > 12 {
		t.Fatalf("%d calls with %d checks", calls, checks)
	}
}

func TestAHitIsNotHeldBehindAMissOfItsBatch(t *testing.T) {
	s := serve(t, "127.0.0.1:0")
	c := newClient(t, s.address, WithTimeout(5*time.Second))
	answer := make(chan struct{})
	s.decide = func(ctx context.Context, r *authv1.CheckPermissionRequest) (*authv1.CheckPermissionResponse, error) {
		if r.GetUserId() == "miss" {
			<-answer
		}
		return allowAll(ctx, r)
	}
	if _, err := c.Can(ctx, User("u"), Platform(), "a:b"); err != nil {
		t.Fatal(err)
	}
	goTogether(t, c, 2)
	miss := make(chan error, 1)
	go func() {
		_, err := c.Can(ctx, User("miss"), Platform(), "a:b")
		miss <- err
	}()
	// The hit is answered while the miss of the same batch has no answer; otherwise the test does not end.
	if _, err := c.Can(ctx, User("hit"), Platform(), "a:b"); err != nil {
		t.Fatal(err)
	}
	close(answer)
	if err := <-miss; err != nil {
		t.Fatal(err)
	}
}

func TestABatchDoesNotFailWithItsMostUrgentCheck(t *testing.T) {
	s := serve(t, "127.0.0.1:0")
	c := newClient(t, s.address, WithTimeout(5*time.Second))
	s.batch = func(*authv1.BatchCheckPermissionsRequest) (*authv1.BatchCheckPermissionsResponse, error) {
		time.Sleep(200 * time.Millisecond)
		return nil, status.Error(codes.DeadlineExceeded, "")
	}
	c.batches.roundTrip.Store(int64(time.Hour)) // the hold of the batch does not interfere
	goTogether(t, c, 2)
	var all sync.WaitGroup
	all.Go(func() {
		urgent, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		if _, err := c.Can(urgent, User("urgent"), Platform(), "a:b"); reasonOf(err) != "DEADLINE_EXCEEDED" {
			t.Error(err)
		}
	})
	all.Go(func() {
		if allowed, err := c.Can(ctx, User("patient"), Platform(), "a:b"); !allowed || err != nil {
			t.Error(allowed, err)
		}
	})
	all.Wait()
}

func TestAServiceThatRefusesBatchesIsAskedOneByOne(t *testing.T) {
	for _, refusal := range []error{status.Error(codes.Unimplemented, ""), withReason(codes.PermissionDenied, "CALLER_METHOD_NOT_ALLOWED")} {
		s := serve(t, "127.0.0.1:0")
		s.batch = func(*authv1.BatchCheckPermissionsRequest) (*authv1.BatchCheckPermissionsResponse, error) {
			return nil, refusal
		}
		c := newClient(t, s.address)
		goTogether(t, c, 20)
		var all sync.WaitGroup
		for n := range 20 {
			all.Go(func() {
				if allowed, err := c.Can(ctx, User(fmt.Sprint(n)), Platform(), "a:b"); !allowed || err != nil {
					t.Error(allowed, err)
				}
			})
		}
		all.Wait()
	}
}

func TestAnAnswerOfABatchThatIsNoDecisionIsAnError(t *testing.T) {
	for _, row := range []struct {
		results []*authv1.BatchCheckPermissionsResult
		kind    error
		reason  string
	}{
		{[]*authv1.BatchCheckPermissionsResult{{}, {}}, ErrUnavailable, "ANSWER_MALFORMED"},
		{[]*authv1.BatchCheckPermissionsResult{{}}, ErrUnavailable, "ANSWER_MALFORMED"},
		{[]*authv1.BatchCheckPermissionsResult{failed(codes.Unauthenticated, "TOKEN_EXPIRED"), failed(codes.Unauthenticated, "TOKEN_EXPIRED")}, ErrUnauthenticated, "TOKEN_EXPIRED"},
		{[]*authv1.BatchCheckPermissionsResult{failed(codes.InvalidArgument, "checks[0].permission"), failed(codes.InvalidArgument, "checks[1].permission")}, ErrMisconfigured, "INVALID_ARGUMENT"},
		{[]*authv1.BatchCheckPermissionsResult{failed(codes.InvalidArgument, "checks[0].user_id"), failed(codes.InvalidArgument, "checks[1].user_id")}, ErrInvalid, "INVALID_ARGUMENT"},
	} {
		s := serve(t, "127.0.0.1:0")
		s.batch = func(*authv1.BatchCheckPermissionsRequest) (*authv1.BatchCheckPermissionsResponse, error) {
			return &authv1.BatchCheckPermissionsResponse{Results: row.results}, nil
		}
		c := newClient(t, s.address)
		c.batches.roundTrip.Store(int64(time.Hour))
		goTogether(t, c, 2)
		var all sync.WaitGroup
		for n := range 2 {
			all.Go(func() {
				if allowed, err := c.Can(ctx, User(fmt.Sprint(n)), Platform(), "a:b"); allowed || !errors.Is(err, row.kind) || reasonOf(err) != row.reason {
					t.Error(allowed, err)
				}
			})
		}
		all.Wait()
	}
}

func TestACallWithoutAnAnswerIsMadeAgainOnAnotherConnectionWhichThenTakesAllCalls(t *testing.T) {
	a, b := serve(t, "127.0.0.1:0"), serve(t, "127.0.0.1:0")
	c := newClient(t, a.address+","+b.address, WithoutBatching())
	until(t, "both connections are ready", func() bool {
		_, err := c.Can(ctx, User("u"), Platform(), "a:b")
		return err == nil && a.calls.Load() > 0 && b.calls.Load() > 0
	})
	thaw := a.freeze()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := c.Can(ctx, User("u"), Platform(), "a:b"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	before := b.calls.Load()
	for range 50 {
		if _, err := c.Can(ctx, User("u"), Platform(), "a:b"); err != nil {
			t.Fatal(err)
		}
	}
	if n := b.calls.Load() - before; n != 50 {
		t.Errorf("%d of 50 calls went to the connection that answers", n)
	}
	thaw()
	seen := a.calls.Load()
	until(t, "the connection that answers again takes calls", func() bool {
		_, err := c.Can(ctx, User("u"), Platform(), "a:b")
		return err == nil && a.calls.Load() > seen
	})
}

func TestASingleAddressHasASecondConnectionForLateCalls(t *testing.T) {
	s := serve(t, "127.0.0.1:0")
	c := newClient(t, s.address, WithoutBatching())
	if _, err := c.Can(ctx, User("u"), Platform(), "a:b"); err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
	s.decide = func(ctx context.Context, r *authv1.CheckPermissionRequest) (*authv1.CheckPermissionResponse, error) {
		if n.Add(1) == 1 {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return allowAll(ctx, r)
	}
	if allowed, err := c.Can(ctx, User("u"), Platform(), "a:b"); !allowed || err != nil {
		t.Fatal(allowed, err)
	}
}

func TestASlowServiceIsNotAskedTwiceByEverybody(t *testing.T) {
	b := newBudget()
	for range smallestBurst {
		if !b.take() {
			t.Fatal("the burst is too small")
		}
	}
	if b.take() {
		t.Fatal("the burst has no end")
	}
	for range 100 {
		b.begin()
		b.end()
	}
	taken := 0
	for b.take() {
		taken++
	}
	if taken < 9 || taken > 11 {
		t.Fatalf("%d extra attempts for 100 calls", taken)
	}
	for range 64 {
		b.begin()
	}
	for taken = 0; b.take(); taken++ {
	}
	if taken < 64-smallestBurst {
		t.Fatalf("%d extra attempts for 64 calls in flight", taken)
	}
}

func TestAServiceThatReturnsIsUsedAgain(t *testing.T) {
	s := serve(t, "127.0.0.1:0")
	c := newClient(t, s.address)
	if _, err := c.Can(ctx, User("u"), Platform(), "a:b"); err != nil {
		t.Fatal(err)
	}
	s.server.Stop()
	if allowed, err := c.Can(ctx, User("u"), Platform(), "a:b"); allowed || !errors.Is(err, ErrUnavailable) {
		t.Fatal(allowed, err)
	}
	_ = serve(t, s.address)
	until(t, "the service is used again", func() bool {
		allowed, _ := c.Can(ctx, User("u"), Platform(), "a:b")
		return allowed
	})
}

func TestAnAddressThatChangesBehindItsNameIsFound(t *testing.T) {
	old := serve(t, "127.0.0.1:0")
	_, port, _ := net.SplitHostPort(old.address)
	next := serve(t, "127.0.0.2:"+port)
	var address atomic.Value
	address.Store("127.0.0.1")
	c := newClient(t, "assent:"+port, func(s *settings) {
		s.lookup = func(context.Context, string) ([]string, error) { return []string{address.Load().(string)}, nil }
	})
	if _, err := c.Can(ctx, User("u"), Platform(), "a:b"); err != nil {
		t.Fatal(err)
	}
	address.Store("127.0.0.2")
	old.server.Stop()
	until(t, "the new address is used", func() bool {
		_, _ = c.Can(ctx, User("u"), Platform(), "a:b")
		return next.calls.Load() > 0
	})
}

func TestCloseLeavesNoGoroutineAndEndsCalls(t *testing.T) {
	s := serve(t, "127.0.0.1:0")
	c := newClient(t, s.address)
	if _, err := c.Can(ctx, User("u"), Platform(), "a:b"); err != nil {
		t.Fatal(err)
	}
	thaw := s.freeze()
	defer thaw()
	var all sync.WaitGroup
	for n := range 5 {
		all.Go(func() {
			if _, err := c.Can(ctx, User(fmt.Sprint(n)), Platform(), "a:b"); reasonOf(err) != "CLIENT_CLOSED" || !errors.Is(err, ErrUnavailable) {
				t.Error(err)
			}
		})
	}
	time.Sleep(300 * time.Millisecond) // the second attempts and the probes are under way
	_ = c.Close()
	all.Wait()
	until(t, "no goroutine is left:\n"+goroutines(), func() bool { return goroutines() == "" })
	if _, err := c.Can(ctx, User("u"), Platform(), "a:b"); reasonOf(err) != "CLIENT_CLOSED" {
		t.Error(err)
	}
	_ = c.Close()
}

func TestAPermissionThatThePolicyDoesNotKnowIsLoggedOnce(t *testing.T) {
	s := serve(t, "127.0.0.1:0")
	s.decide = func(context.Context, *authv1.CheckPermissionRequest) (*authv1.CheckPermissionResponse, error) {
		return &authv1.CheckPermissionResponse{Reason: authv1.Reason_REASON_UNKNOWN_PERMISSION}, nil
	}
	var log bytes.Buffer
	c := newClient(t, s.address, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	for range 3 {
		if allowed, err := c.Can(ctx, User("u"), Platform(), "leaf:approve"); allowed || err != nil {
			t.Fatal(allowed, err)
		}
	}
	if strings.Count(log.String(), "leaf:approve") != 1 {
		t.Fatal(log.String())
	}
}

func TestADenialIsAnAnswerAndRequireMakesItAnError(t *testing.T) {
	s := serve(t, "127.0.0.1:0")
	s.decide = func(context.Context, *authv1.CheckPermissionRequest) (*authv1.CheckPermissionResponse, error) {
		return &authv1.CheckPermissionResponse{Reason: authv1.Reason_REASON_NOT_A_MEMBER}, nil
	}
	c := newClient(t, s.address)
	_, err := c.Require(ctx, User("u"), Organization("o"), "a:b")
	var e *Error
	if !errors.Is(err, ErrDenied) || !errors.As(err, &e) || e.Decision == nil || e.Reason != "NOT_A_MEMBER" || e.HTTPStatus != 403 {
		t.Fatal(err)
	}
	if p, err := c.Permissions(ctx, User("u"), Organization("o")); err != nil || !p.Has("leave:approve") || p.Has("x:y") {
		t.Fatal(p, err)
	}
}

type recorder struct {
	mu  sync.Mutex
	got []string
}

func (r *recorder) Start(ctx context.Context, operation string) (context.Context, []string, func(string)) {
	return ctx, []string{"traceparent", "00-1"}, func(outcome string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, operation+" "+outcome)
	}
}

func TestAnObserverSeesEachOperationAndItsMetadataGoesAlong(t *testing.T) {
	s := serve(t, "127.0.0.1:0")
	r := &recorder{}
	c := newClient(t, s.address, WithObserver(r), WithToken("secret"))
	_, _ = c.Can(ctx, User("u"), Platform(), "a:b")
	_, _ = c.Verify(ctx, "bad")
	if got := strings.Join(r.got, ", "); got != "CheckPermission ALLOWED, VerifyToken UNAUTHENTICATED" {
		t.Error(got)
	}
	if s.last.Get("traceparent")[0] != "00-1" || s.last.Get("authorization")[0] != "Bearer secret" {
		t.Error(s.last)
	}
}
