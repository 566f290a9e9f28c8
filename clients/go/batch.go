package assent

import (
	"context"
	"errors"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	authv1 "assent.example/go/gen/assent/auth/v1"
)

const (
	maxBatch      = 500
	maxBatchBytes = 3 << 20
	// A check waits for the call under way at most this long.
	maxWait = 2 * time.Millisecond
	// A batch without an answer after this time and three round trips may have a miss in it: each of its checks then goes
	// out on its own as well, so that a hit is not held behind the miss.
	maxHold = 10 * time.Millisecond
	// withoutBatchesFor is how long a service that refuses batches is asked one by one.
	withoutBatchesFor = time.Minute
	callsUnderWay     = 2
)

// batcher sends a check at once while no call is under way. Checks that come meanwhile wait and go out together.
type batcher struct {
	client *Client
	// refusedUntil: the service knows no batches, or refuses them to this caller (Unix nanoseconds).
	refusedUntil atomic.Int64
	// roundTrip is the least time of an answer seen lately, in nanoseconds.
	roundTrip atomic.Int64

	// wait is maxWait, but for tests.
	wait time.Duration

	mu       sync.Mutex
	underWay int
	pending  *batch
}

func newBatcher(c *Client) *batcher { return &batcher{client: c, wait: maxWait} }

type batch struct {
	items   []*item
	byCheck map[check]*item
	bytes   int
	timer   *time.Timer
	headers context.Context
	// open counts the items without an answer; the call is cancelled when there are none.
	open   atomic.Int64
	cancel atomic.Pointer[context.CancelFunc]
}

// item is one check of a batch, with all who wait for it.
type item struct {
	check    check
	batch    *batch
	deadline time.Time
	waiters  atomic.Int64
	settled  atomic.Bool
	// cancel ends the item's own call once the batch has answered it.
	cancel   atomic.Pointer[context.CancelFunc]
	done     chan struct{}
	response *authv1.CheckPermissionResponse
	err      error
}

func (i *item) settle(response *authv1.CheckPermissionResponse, err error) {
	if !i.settled.CompareAndSwap(false, true) {
		return
	}
	i.response, i.err = response, err
	close(i.done)
	if cancel := i.cancel.Load(); cancel != nil {
		(*cancel)()
	}
	i.batch.close(1)
}

func (b *batch) close(n int64) {
	if b.open.Add(-n) > 0 {
		return
	}
	if cancel := b.cancel.Load(); cancel != nil {
		(*cancel)()
	}
}

func newCheckReply() proto.Message { return &authv1.CheckPermissionResponse{} }

// check answers one check, alone or in a batch.
func (b *batcher) check(ctx context.Context, k check, headers context.Context) (*authv1.CheckPermissionResponse, error) {
	if !b.client.settings.batching {
		return b.alone(ctx, k, headers)
	}
	b.mu.Lock()
	if b.underWay < callsUnderWay || b.refused() {
		b.underWay++
		b.mu.Unlock()
		defer b.finish()
		return b.timed(ctx, k, headers)
	}
	if err := ctx.Err(); err != nil {
		b.mu.Unlock()
		return nil, fromStatus(ctx, err)
	}
	deadline := time.Now().Add(b.client.settings.timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	i := b.join(k, deadline, headers)
	b.mu.Unlock()
	return b.await(ctx, i, deadline)
}

func (b *batcher) refused() bool {
	until := b.refusedUntil.Load()
	return until != 0 && time.Now().UnixNano() < until
}

func (b *batcher) alone(ctx context.Context, k check, headers context.Context) (*authv1.CheckPermissionResponse, error) {
	reply, err := b.client.send(ctx, authv1.AuthService_CheckPermission_FullMethodName, k.request(), newCheckReply, headers)
	if err != nil {
		return nil, err
	}
	return reply.(*authv1.CheckPermissionResponse), nil
}

func (b *batcher) timed(ctx context.Context, k check, headers context.Context) (*authv1.CheckPermissionResponse, error) {
	begun := time.Now()
	r, err := b.alone(ctx, k, headers)
	if err == nil {
		b.sawRoundTrip(time.Since(begun))
	}
	return r, err
}

// sawRoundTrip keeps the least time, which rises by a hundredth with each slower answer.
func (b *batcher) sawRoundTrip(took time.Duration) {
	least := b.roundTrip.Load()
	if least == 0 || int64(took) < least {
		b.roundTrip.Store(int64(took))
	} else {
		b.roundTrip.Store(least + least/100 + 1)
	}
}

// join puts a check into the batch that goes out next. An equal check there is the same question: neither has been sent. One
// that was sent already may be answered from before this check began, and is never joined.
func (b *batcher) join(k check, deadline time.Time, headers context.Context) *item {
	if p := b.pending; p != nil {
		if i := p.byCheck[k]; i != nil {
			i.waiters.Add(1)
			if deadline.After(i.deadline) {
				i.deadline = deadline
			}
			return i
		}
		if len(p.items) == maxBatch || p.bytes+k.size() > maxBatchBytes {
			b.flush()
		}
	}
	if b.pending == nil {
		p := &batch{byCheck: make(map[check]*item, 8), headers: headers}
		p.timer = time.AfterFunc(b.wait, func() { b.overdue(p) })
		b.pending = p
	}
	p := b.pending
	i := &item{check: k, batch: p, deadline: deadline, done: make(chan struct{})}
	i.waiters.Store(1)
	p.items = append(p.items, i)
	p.byCheck[k] = i
	p.bytes += k.size()
	p.open.Add(1)
	return i
}

// flush sends the pending batch. b.mu is held.
func (b *batcher) flush() {
	p := b.pending
	b.pending = nil
	p.timer.Stop()
	b.underWay++
	if !b.client.begin() {
		b.underWay--
		for _, i := range p.items {
			i.settle(nil, errClosed())
		}
		return
	}
	go func() {
		defer b.client.work.Done()
		b.run(p)
		b.finish()
	}()
}

func (b *batcher) overdue(p *batch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.pending == p {
		b.flush()
	}
}

func (b *batcher) finish() {
	b.mu.Lock()
	b.underWay--
	if b.pending != nil && b.underWay < callsUnderWay {
		b.flush()
	}
	b.mu.Unlock()
}

// await waits for the answer of an item, the caller's deadline and its cancellation.
func (b *batcher) await(ctx context.Context, i *item, deadline time.Time) (*authv1.CheckPermissionResponse, error) {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-i.done:
	case <-ctx.Done():
		i.leave()
		return nil, fromStatus(ctx, ctx.Err())
	case <-timer.C:
		i.leave()
		return nil, deadlineExceeded()
	}
	if errors.Is(i.err, context.Canceled) {
		return nil, errClosed() // only Close cancels a batch that is waited for
	}
	var e *Error
	if errors.As(i.err, &e) && e.retryable && b.client.retries.take() {
		ctx, cancel := context.WithDeadline(ctx, deadline)
		defer cancel()
		return b.alone(ctx, i.check, i.batch.headers)
	}
	return i.response, i.err
}

func (i *item) leave() {
	if i.waiters.Add(-1) == 0 {
		i.settle(nil, deadlineExceeded())
	}
}

func deadlineExceeded() *Error {
	e := classify(codes.DeadlineExceeded, "", "", "")
	e.cause, e.grpcCode = context.DeadlineExceeded, codes.DeadlineExceeded
	return e
}

// run sends a batch and settles each of its items.
func (b *batcher) run(p *batch) {
	if p.open.Load() == 0 {
		return
	}
	if len(p.items) == 1 {
		b.single(p.items[0])
		return
	}
	ctx, cancel := context.WithDeadline(b.client.base, mostUrgent(p.items))
	defer cancel()
	p.cancel.Store(&cancel)
	hold := time.AfterFunc(maxHold+3*time.Duration(b.roundTrip.Load()), func() { b.singles(p) })
	defer hold.Stop()
	begun := time.Now()
	results, err := b.send(ctx, p)
	if err == nil {
		b.sawRoundTrip(time.Since(begun))
		for n, i := range p.items {
			i.settle(outcome(results[n]))
		}
		return
	}
	var e *Error
	if errors.As(err, &e) && (e.Reason == "CALLER_METHOD_NOT_ALLOWED" || e.grpcCode == codes.Unimplemented) {
		b.refusedUntil.Store(time.Now().Add(withoutBatchesFor).UnixNano())
		b.singles(p)
		return
	}
	if e != nil && e.grpcCode == codes.DeadlineExceeded {
		b.settleLate(p)
		return
	}
	for _, i := range p.items {
		i.settle(nil, err)
	}
}

// settleLate: the most urgent check has no time left; the others have, and go out on their own.
func (b *batcher) settleLate(p *batch) {
	now := time.Now()
	for _, i := range p.items {
		if !i.deadline.After(now) {
			i.settle(nil, deadlineExceeded())
		}
	}
	b.singles(p)
}

// mostUrgent is the first deadline. Items of a pending batch that were joined since have the later one of their waiters.
func mostUrgent(items []*item) time.Time {
	first := items[0].deadline
	for _, i := range items[1:] {
		if i.deadline.Before(first) {
			first = i.deadline
		}
	}
	return first
}

// singles asks for each open check of a batch in a separate call.
func (b *batcher) singles(p *batch) {
	for _, i := range p.items {
		if i.settled.Load() {
			continue
		}
		if !b.client.begin() {
			i.settle(nil, errClosed())
			continue
		}
		go func() {
			defer b.client.work.Done()
			b.single(i)
		}()
	}
}

func (b *batcher) single(i *item) {
	ctx, cancel := context.WithDeadline(b.client.base, i.deadline)
	defer cancel()
	i.cancel.Store(&cancel)
	if i.settled.Load() {
		return
	}
	r, err := b.alone(ctx, i.check, i.batch.headers)
	i.settle(r, err)
}

func (b *batcher) send(ctx context.Context, p *batch) ([]*authv1.BatchCheckPermissionsResult, error) {
	request := &authv1.BatchCheckPermissionsRequest{Checks: make([]*authv1.CheckPermissionRequest, len(p.items))}
	for n, i := range p.items {
		request.Checks[n] = i.check.request()
	}
	reply, err := b.client.send(ctx, authv1.AuthService_BatchCheckPermissions_FullMethodName, request,
		func() proto.Message { return &authv1.BatchCheckPermissionsResponse{} }, p.headers)
	if err != nil {
		return nil, err
	}
	results := reply.(*authv1.BatchCheckPermissionsResponse).GetResults()
	if len(results) != len(p.items) {
		return nil, newError(CodeUnavailable, "ANSWER_MALFORMED", "the batch has another number of answers than of checks")
	}
	return results, nil
}

var checkPath = regexp.MustCompile(`^checks\[\d+\]\.?`)

// outcome reads one result. A result without an outcome is an error: nothing but a decision allows.
func outcome(r *authv1.BatchCheckPermissionsResult) (*authv1.CheckPermissionResponse, error) {
	if response := r.GetResponse(); response != nil {
		return response, nil
	}
	failure := r.GetError()
	if failure == nil {
		return nil, newError(CodeUnavailable, "ANSWER_MALFORMED", "a check of the batch has no answer")
	}
	code, reason, field := codes.Code(failure.GetCode()), failure.GetReason(), ""
	if code == codes.InvalidArgument {
		reason, field = "INVALID_ARGUMENT", checkPath.ReplaceAllString(reason, "")
	}
	e := classify(code, reason, field, failure.GetMessage())
	e.grpcCode = code
	e.retryable = code == codes.Unavailable || code == codes.ResourceExhausted
	return nil, e
}
