package assent

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

const (
	hedgeAfter   = 250 * time.Millisecond
	maxAttempts  = 5
	firstBackoff = 50 * time.Millisecond
	probeTimeout = 2 * time.Second
	// wakePause is the least time between two wake-ups of connections in backoff by a call that finds none.
	wakePause = 500 * time.Millisecond
)

// call is one RPC with its attempts, within one deadline. ctx has a deadline, user is the caller's own.
type call struct {
	client   *Client
	user     context.Context
	ctx      context.Context
	cancel   context.CancelFunc
	metadata context.Context
	method   string
	request  proto.Message
	newReply func() proto.Message
}

// do makes attempts until one is answered, the deadline passes or the budget is spent.
func (r *call) do() (proto.Message, error) {
	r.client.retries.begin()
	defer r.client.retries.end()
	var avoid *endpoint
	pause := firstBackoff
	for n := 1; ; n++ {
		reply, picked, err := r.hedged(avoid)
		if err == nil {
			return reply, nil
		}
		failure := fromStatus(r.user, err)
		if r.client.base.Err() != nil && r.user.Err() == nil {
			return nil, errClosed()
		}
		var e *Error
		if !errors.As(failure, &e) || !e.retryable || n == maxAttempts || r.ctx.Err() != nil || !r.client.retries.take() {
			return nil, failure
		}
		if picked == nil {
			r.client.wake()
		}
		avoid = picked
		wait := max(jitter(pause), e.delayOf(codes.ResourceExhausted))
		if n == 1 && picked != nil && e.grpcCode == codes.Unavailable {
			wait = 0 // another connection is there at once
		}
		if !r.sleep(wait) {
			return nil, failure
		}
		pause *= 2
	}
}

// delayOf is the delay that the service named with a status; zero for other statuses.
func (e *Error) delayOf(code codes.Code) time.Duration {
	if e.grpcCode != code {
		return 0
	}
	return e.RetryAfter
}

func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64()))
}

// sleep is false when the deadline comes first: the failure that is known already is worth more than the deadline's.
func (r *call) sleep(d time.Duration) bool {
	if d == 0 {
		return true
	}
	if deadline, ok := r.ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.ctx.Done():
		return false
	}
}

// race is an attempt and, once it is late, a second one on another connection.
type race struct {
	call  *call
	first attempt

	mu     sync.Mutex
	ended  bool // the first attempt is over
	second *hedge
}

type hedge struct {
	cancel context.CancelFunc
	done   chan struct{}
	reply  proto.Message
	err    error
}

// hedged makes one attempt and, where it stays unanswered, another one beside it.
func (r *call) hedged(avoid *endpoint) (proto.Message, *endpoint, error) {
	c := r.client
	c.hedges.begin()
	defer c.hedges.end()
	e := &race{call: r}
	e.first.Context, e.first.metadata, e.first.avoid = r.ctx, r.metadata, avoid
	delay := hedgeAfter
	if deadline, ok := r.ctx.Deadline(); ok {
		delay = min(delay, time.Until(deadline)/2)
	}
	timer := time.AfterFunc(delay, e.late)
	reply := r.newReply()
	err := c.conn.Invoke(&e.first, r.method, r.request, reply)
	if timer.Stop() {
		return reply, e.first.picked.Load(), err
	}
	e.mu.Lock()
	e.ended = true
	second := e.second
	e.mu.Unlock()
	if second == nil {
		return reply, e.first.picked.Load(), err
	}
	defer second.cancel()
	if err == nil {
		return reply, e.first.picked.Load(), nil
	}
	// The first attempt was cancelled by the answer of the second, or failed while the second is under way.
	<-second.done
	if second.err == nil {
		return second.reply, e.first.picked.Load(), nil
	}
	if answered(second.err) {
		err = second.err
	}
	return nil, e.first.picked.Load(), err
}

// late is called when the first attempt has no answer yet.
func (e *race) late() {
	c, unanswered := e.call.client, e.first.picked.Load()
	if unanswered == nil {
		c.wake()
		return // no connection was there to be asked
	}
	e.mu.Lock()
	if e.ended || e.call.ctx.Err() != nil {
		e.mu.Unlock()
		return
	}
	c.quarantine(unanswered)
	if !c.hedges.take() || !c.begin() {
		e.mu.Unlock()
		return
	}
	defer c.work.Done()
	// Not of the first attempt's context, which the second one's answer cancels.
	deadline, _ := e.call.ctx.Deadline()
	ctx, cancel := context.WithDeadline(e.call.user, deadline)
	h := &hedge{cancel: cancel, done: make(chan struct{}), reply: e.call.newReply()}
	e.second = h
	e.mu.Unlock()
	again := &attempt{Context: ctx, metadata: e.call.metadata, avoid: unanswered, hedge: true}
	h.err = c.conn.Invoke(again, e.call.method, e.call.request, h.reply)
	close(h.done)
	if h.err == nil || answered(h.err) {
		e.call.cancel()
	}
}

// answered: the service itself refused, so that the first attempt can only say the same.
func answered(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.ResourceExhausted, codes.Internal, codes.Unknown:
		return false
	}
	return true
}

// quarantine keeps new calls from a connection until it answers a probe.
func (c *Client) quarantine(e *endpoint) {
	if e.gone.Load() || !e.quarantined.CompareAndSwap(false, true) {
		return
	}
	c.names.lookUp()
	if !c.begin() {
		return
	}
	go func() {
		defer c.work.Done()
		for !e.gone.Load() && c.base.Err() == nil && !c.probe(e) {
		}
		e.quarantined.Store(false)
	}()
}

// probe is true when the connection has answered anything at all.
func (c *Client) probe(e *endpoint) bool {
	ctx, cancel := context.WithTimeout(c.base, probeTimeout)
	defer cancel()
	a := &attempt{Context: ctx, metadata: c.metadata, only: e}
	err := c.conn.Invoke(a, healthpb.Health_Check_FullMethodName, &healthpb.HealthCheckRequest{}, &healthpb.HealthCheckResponse{})
	switch status.Code(err) {
	case codes.DeadlineExceeded:
		return false
	case codes.Unavailable, codes.Canceled:
		// The connection is lost or about to be replaced: its next one starts anew.
		return c.pause(firstBackoff)
	}
	return true
}

func (c *Client) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.base.Done():
	}
	return false
}

// wake makes connections in backoff try at once: a call waits for one of them.
func (c *Client) wake() {
	now, last := time.Now().UnixNano(), c.woken.Load()
	if now-last > int64(wakePause) && c.woken.CompareAndSwap(last, now) {
		c.conn.ResetConnectBackoff()
	}
}

func withMetadata(pairs []string) context.Context {
	if len(pairs) == 0 {
		return context.Background()
	}
	return metadata.NewOutgoingContext(context.Background(), metadata.Pairs(pairs...))
}
