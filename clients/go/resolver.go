package assent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/attributes"
	"google.golang.org/grpc/resolver"
)

const (
	defaultPort = "50051"
	// lookupPause is the least time between two lookups: grpc-go's own is 30 s, which keeps a client away from a service
	// whose address has changed.
	lookupPause = time.Second
	// lookupEvery finds the addresses of replicas that were added.
	lookupEvery   = 30 * time.Second
	lookupTimeout = 5 * time.Second
	scheme        = "assent"
)

type standbyKey struct{}

func isStandby(a resolver.Address) bool { return a.Attributes.Value(standbyKey{}) != nil }

// place is one host with its port, from a target.
type place struct{ host, port string }

// target is what New was given.
type target struct {
	places []place
	unix   string
	// server is the DNS server of dns://server/host; empty for the system's.
	server string
}

// parseTarget reads host:port, several of them separated by commas, dns:///…, dns://server/…, ipv4:…, ipv6:… and unix:….
func parseTarget(text string) (target, error) {
	if strings.TrimSpace(text) == "" {
		return target{}, newError(CodeMisconfigured, "ADDRESS_MISSING", `the address is empty; "dns:///assent:50051" is one`)
	}
	t, rest := target{}, text
	switch {
	case strings.HasPrefix(text, "unix:"):
		path := strings.TrimPrefix(text, "unix:")
		if strings.Trim(path, "/") == "" {
			return t, malformed(text, "it has no path")
		}
		t.unix = text
		return t, nil
	case strings.HasPrefix(text, "dns://"):
		server, name, found := strings.Cut(strings.TrimPrefix(text, "dns://"), "/")
		if !found {
			return t, malformed(text, `a name follows "dns:///", with three slashes`)
		}
		t.server, rest = server, name
	default:
		for _, prefix := range []string{"dns:", "ipv4:", "ipv6:"} {
			if strings.HasPrefix(text, prefix) {
				rest = strings.TrimLeft(strings.TrimPrefix(text, prefix), "/")
				break
			}
		}
	}
	if strings.Contains(rest, "/") || strings.ContainsAny(rest, " \t\r\n") {
		return t, malformed(text, `it is host:port, or begins with "dns:///", "ipv4:", "ipv6:" or "unix:"`)
	}
	for _, one := range strings.Split(rest, ",") {
		p, err := parsePlace(one)
		if err != nil {
			return t, malformed(text, err.Error())
		}
		t.places = append(t.places, p)
	}
	return t, nil
}

func malformed(text, problem string) error {
	return newError(CodeMisconfigured, "ADDRESS_MALFORMED", fmt.Sprintf("the address %.100q is wrong: %s", text, problem))
}

func parsePlace(text string) (place, error) {
	if ip, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return place{ip.String(), defaultPort}, nil
	}
	if !strings.Contains(text, ":") {
		if text == "" {
			return place{}, errors.New("a host is empty")
		}
		return place{text, defaultPort}, nil
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil || host == "" {
		return place{}, errors.New("it has no host")
	}
	if n, err := net.LookupPort("tcp", port); err != nil || n == 0 {
		return place{}, errors.New("its port is not from 1 to 65535")
	}
	return place{host, port}, nil
}

// names is the resolver of one client.
type names struct {
	target target
	// current is the watch of the client, once it has one.
	current atomic.Pointer[watch]
	lookup  func(ctx context.Context, host string) ([]string, error)
}

func newNames(t target, lookup func(context.Context, string) ([]string, error)) *names {
	if lookup == nil {
		r := &net.Resolver{}
		if t.server != "" {
			address := t.server
			if _, _, err := net.SplitHostPort(address); err != nil {
				address = net.JoinHostPort(address, "53")
			}
			r.PreferGo = true
			r.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, network, address)
			}
		}
		lookup = r.LookupHost
	}
	return &names{target: t, lookup: lookup}
}

func (n *names) Scheme() string { return scheme }

// lookUp looks the names up again, at most once a second.
func (n *names) lookUp() {
	if r := n.current.Load(); r != nil {
		r.ResolveNow(resolver.ResolveNowOptions{})
	}
}

// OverrideAuthority is the first host: TLS verifies its name.
func (n *names) OverrideAuthority(resolver.Target) string {
	return net.JoinHostPort(n.target.places[0].host, n.target.places[0].port)
}

func (n *names) Build(_ resolver.Target, cc resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver, error) {
	ctx, cancel := context.WithCancel(context.Background())
	r := &watch{names: n, cc: cc, ctx: ctx, cancel: cancel, again: make(chan struct{}, 1), ended: make(chan struct{})}
	n.current.Store(r)
	go r.run()
	return r, nil
}

// watch looks names up at the start, each half a minute, and when a connection is lost.
type watch struct {
	names  *names
	cc     resolver.ClientConn
	ctx    context.Context
	cancel context.CancelFunc
	again  chan struct{}
	ended  chan struct{}
}

func (r *watch) ResolveNow(resolver.ResolveNowOptions) {
	select {
	case r.again <- struct{}{}:
	default:
	}
}

func (r *watch) Close() {
	r.cancel()
	<-r.ended
}

func (r *watch) run() {
	defer close(r.ended)
	for {
		err := r.resolve()
		pause := lookupEvery
		if err != nil {
			pause = lookupPause
		}
		if !r.wait(lookupPause, nil) || !r.wait(pause-lookupPause, r.again) {
			return
		}
	}
}

func (r *watch) wait(pause time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-r.ctx.Done():
		return false
	case <-timer.C:
	case <-wake:
	}
	return true
}

func (r *watch) resolve() error {
	ctx, cancel := context.WithTimeout(r.ctx, lookupTimeout)
	defer cancel()
	var addresses []resolver.Address
	var failures []error
	for _, p := range r.names.target.places {
		hosts, err := r.hostsOf(ctx, p.host)
		if err != nil {
			failures = append(failures, err)
		}
		for _, host := range hosts {
			addresses = append(addresses, resolver.Address{Addr: net.JoinHostPort(host, p.port), ServerName: r.serverName(p)})
		}
	}
	if len(addresses) == 0 {
		err := errors.Join(failures...)
		r.cc.ReportError(err)
		return err
	}
	_ = r.cc.UpdateState(resolver.State{Addresses: withStandby(addresses)})
	return errors.Join(failures...)
}

// serverName: with several hosts each certificate has its own name; with one, the authority's holds.
func (r *watch) serverName(p place) string {
	if len(r.names.target.places) == 1 {
		return ""
	}
	return p.host
}

func (r *watch) hostsOf(ctx context.Context, host string) ([]string, error) {
	if _, err := netip.ParseAddr(host); err == nil {
		return []string{host}, nil
	}
	hosts, err := r.names.lookup(ctx, host)
	slices.Sort(hosts)
	return slices.Compact(hosts), err
}

// withStandby adds a second connection to a single address: behind it may be several replicas, and a connection that does not
// answer must not be the only one. No call takes it while the first answers.
func withStandby(addresses []resolver.Address) []resolver.Address {
	if len(addresses) != 1 {
		return addresses
	}
	second := addresses[0]
	second.Attributes = attributes.New(standbyKey{}, standbyKey{})
	return append(addresses, second)
}
