package assent

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/base"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/health" // the health watch of grpc-go does nothing without it
	"google.golang.org/grpc/status"
)

// balancerName is in the service config. The builder has no state: that of a client is in the balancers that it builds.
const balancerName = "assent_round_robin"

func init() { balancer.Register(builder{}) }

type builder struct{}

func (builder) Name() string { return balancerName }

func (builder) Build(cc balancer.ClientConn, options balancer.BuildOptions) balancer.Balancer {
	pickers := &pickerBuilder{known: map[balancer.SubConn]*endpoint{}}
	return base.NewBalancerBuilder(balancerName, pickers, base.Config{HealthCheck: true}).Build(cc, options)
}

// endpoint is one connection that is ready.
type endpoint struct {
	conn    balancer.SubConn
	address string
	standby bool
	// quarantined: it left an attempt unanswered, and has answered no probe since.
	quarantined atomic.Bool
	gone        atomic.Bool
}

type pickerBuilder struct {
	known map[balancer.SubConn]*endpoint
}

// Build keeps the endpoints that stay ready. One that returns is a new connection: its quarantine is over.
func (b *pickerBuilder) Build(info base.PickerBuildInfo) balancer.Picker {
	p := &picker{}
	known := make(map[balancer.SubConn]*endpoint, len(info.ReadySCs))
	for conn, sub := range info.ReadySCs {
		e, ok := b.known[conn]
		if !ok {
			e = &endpoint{conn: conn, address: sub.Address.Addr, standby: isStandby(sub.Address)}
		}
		known[conn] = e
		if e.standby {
			p.standby = append(p.standby, e)
		} else {
			p.primary = append(p.primary, e)
		}
	}
	for conn, e := range b.known {
		if known[conn] == nil {
			e.gone.Store(true)
		}
	}
	b.known = known
	if len(known) == 0 {
		return base.NewErrPicker(balancer.ErrNoSubConnAvailable)
	}
	return p
}

// attempt is the context of one attempt of a call: it names the connections that are wanted, and learns the one that was taken.
type attempt struct {
	context.Context
	metadata context.Context
	avoid    *endpoint
	only     *endpoint
	hedge    bool
	picked   atomic.Pointer[endpoint]
}

type attemptKey struct{}

// Value finds the attempt and the kit's own metadata; the metadata of the application's context stays with the application.
func (a *attempt) Value(key any) any {
	if _, ok := key.(attemptKey); ok {
		return a
	}
	if value := a.metadata.Value(key); value != nil {
		return value
	}
	return a.Context.Value(key)
}

type picker struct {
	primary, standby []*endpoint
	next             atomic.Uint32
}

// Pick takes the next connection that is not in quarantine; one that is, where no other is left.
func (p *picker) Pick(info balancer.PickInfo) (balancer.PickResult, error) {
	a, _ := info.Ctx.Value(attemptKey{}).(*attempt)
	if a == nil {
		return p.result(nil, p.choose(nil))
	}
	if a.only != nil {
		if a.only.gone.Load() {
			return balancer.PickResult{}, status.Error(codes.Unavailable, "the connection is gone")
		}
		return p.result(a, a.only)
	}
	e := p.choose(a.avoid)
	if a.hedge && e == a.avoid {
		return balancer.PickResult{}, status.Error(codes.Unavailable, "there is no other connection")
	}
	return p.result(a, e)
}

func (p *picker) result(a *attempt, e *endpoint) (balancer.PickResult, error) {
	if a != nil {
		a.picked.Store(e)
	}
	return balancer.PickResult{SubConn: e.conn}, nil
}

func (p *picker) choose(avoid *endpoint) *endpoint {
	start := p.next.Add(1)
	for _, group := range [2][]*endpoint{p.primary, p.standby} {
		for i := range group {
			e := group[(start+uint32(i))%uint32(len(group))]
			if e != avoid && !e.quarantined.Load() {
				return e
			}
		}
	}
	for _, group := range [2][]*endpoint{p.standby, p.primary} {
		for i := range group {
			if e := group[(start+uint32(i))%uint32(len(group))]; e != avoid {
				return e
			}
		}
	}
	return avoid
}
