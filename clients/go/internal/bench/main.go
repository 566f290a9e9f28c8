// Command bench measures the kit beside a bare call of grpc-go, against a service that runs, and prints one JSON object.
//
//	go run ./internal/bench -address 127.0.0.1:50051 -user U -organization O -permission P [-seconds 2] [-rounds 5]
//
// Rows are interleaved in rounds; each figure is the median of the rounds.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	assent "assent.example/go"
	authv1 "assent.example/go/gen/assent/auth/v1"
)

type ask func(ctx context.Context, n int) error

type row struct {
	name string
	ask  ask
	// callers at once; 1 is the low load whose latency is reported.
	callers int
	samples []sample
}

type sample struct{ perSecond, cpuMicros, p50, p99 float64 }

type figures struct {
	Name             string  `json:"name"`
	Callers          int     `json:"callers"`
	DecisionsASecond float64 `json:"decisionsPerSecond"`
	ClientCPUMicros  float64 `json:"clientCpuMicros"`
	P50              float64 `json:"p50Micros"`
	P99              float64 `json:"p99Micros"`
}

func main() {
	address := flag.String("address", "127.0.0.1:50051", "host:port of the service")
	user := flag.String("user", "", "the user's id")
	organization := flag.String("organization", "", "the organization's id")
	permission := flag.String("permission", "organization:delete", "the permission, which the user has")
	seconds := flag.Float64("seconds", 1, "seconds of one measurement")
	rounds := flag.Int("rounds", 5, "rounds")
	orders := flag.Bool("orders", false, "take orders as lines of JSON from the standard input, as the bench of the repository gives them")
	flag.Parse()
	if *orders {
		if err := obey(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if err := run(*address, *user, *organization, *permission, *seconds, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(address, user, organization, permission string, seconds float64, rounds int) error {
	batched, err := assent.New(address)
	if err != nil {
		return err
	}
	defer batched.Close()
	unbatched, err := assent.New(address, assent.WithoutBatching())
	if err != nil {
		return err
	}
	defer unbatched.Close()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	stub := authv1.NewAuthServiceClient(conn)
	bare := func(ctx context.Context, _ int) error {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		d, err := stub.CheckPermission(ctx, &authv1.CheckPermissionRequest{
			Subject:    &authv1.CheckPermissionRequest_UserId{UserId: user},
			Scope:      &authv1.CheckPermissionRequest_OrganizationId{OrganizationId: organization},
			Permission: permission,
		})
		return verdict(d.GetAllowed(), err)
	}
	// Distinct permissions, so that equal checks are not joined: a batch has as many checks as callers wait. Permissions that the user
	// does not have are hits, too.
	by := func(c *assent.Client, distinct bool) ask {
		return func(ctx context.Context, n int) error {
			if distinct && n > 0 {
				_, err := c.Can(ctx, assent.User(user), assent.Organization(organization), "bench:"+strconv.Itoa(n))
				return err
			}
			allowed, err := c.Can(ctx, assent.User(user), assent.Organization(organization), permission)
			return verdict(allowed, err)
		}
	}
	rows := []*row{
		{name: "grpc-go/bare", ask: bare, callers: 1},
		{name: "kit/go/unbatched", ask: by(unbatched, false), callers: 1},
		{name: "kit/go/batched", ask: by(batched, false), callers: 1},
		{name: "grpc-go/bare/64", ask: bare, callers: 64},
		{name: "kit/go/unbatched/64", ask: by(unbatched, true), callers: 64},
		{name: "kit/go/batched/64", ask: by(batched, true), callers: 64},
	}
	// The service and the connections are warm before the first round.
	for _, r := range rows {
		if _, err := measure(r, 2*seconds); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
	}
	for range rounds {
		for _, r := range rows {
			if _, err := measure(r, seconds/5); err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			s, err := measure(r, seconds)
			if err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			r.samples = append(r.samples, s)
		}
	}
	result := map[string]any{}
	var all []figures
	of := map[string]figures{}
	for _, r := range rows {
		f := figures{
			Name: r.name, Callers: r.callers,
			DecisionsASecond: median(r.samples, func(s sample) float64 { return s.perSecond }),
			ClientCPUMicros:  median(r.samples, func(s sample) float64 { return s.cpuMicros }),
			P50:              median(r.samples, func(s sample) float64 { return s.p50 }),
			P99:              median(r.samples, func(s sample) float64 { return s.p99 }),
		}
		all = append(all, f)
		of[r.name] = f
	}
	result["rows"] = all
	result["ratios"] = map[string]float64{
		"cpuOverBare":          of["kit/go/unbatched"].ClientCPUMicros / of["grpc-go/bare"].ClientCPUMicros,
		"cpuBatchedOverBare":   of["kit/go/batched"].ClientCPUMicros / of["grpc-go/bare"].ClientCPUMicros,
		"cpuOverBare64":        of["kit/go/unbatched/64"].ClientCPUMicros / of["grpc-go/bare/64"].ClientCPUMicros,
		"batchedOverUnbatched": of["kit/go/batched/64"].DecisionsASecond / of["kit/go/unbatched/64"].DecisionsASecond,
		"p50OnOverOff":         of["kit/go/batched"].P50 / of["kit/go/unbatched"].P50,
		"p99OnOverOff":         of["kit/go/batched"].P99 / of["kit/go/unbatched"].P99,
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

func verdict(allowed bool, err error) error {
	if err == nil && !allowed {
		return fmt.Errorf("denied")
	}
	return err
}

// observed is what one measurement of a row saw: the time of each call, in no order, and the whole.
type observed struct {
	took         []time.Duration
	cpu, elapsed time.Duration
}

func measure(r *row, seconds float64) (sample, error) {
	o, err := observe(r, seconds)
	if err != nil {
		return sample{}, err
	}
	slices.Sort(o.took)
	count := float64(len(o.took))
	at := func(share float64) float64 { return float64(o.took[int(share*(count-1))]) / 1e3 }
	return sample{count / o.elapsed.Seconds(), float64(o.cpu) / 1e3 / count, at(0.5), at(0.99)}, nil
}

func observe(r *row, seconds float64) (observed, error) {
	end := time.Now().Add(time.Duration(seconds * float64(time.Second)))
	took := make([][]time.Duration, r.callers)
	var failure atomic.Pointer[error]
	begun, cpu := time.Now(), cpuTime()
	var all sync.WaitGroup
	for n := range r.callers {
		all.Go(func() {
			for last := time.Now(); last.Before(end) && failure.Load() == nil; {
				if err := r.ask(context.Background(), n); err != nil {
					failure.Store(&err)
				}
				now := time.Now()
				took[n] = append(took[n], now.Sub(last))
				last = now
			}
		})
	}
	all.Wait()
	if err := failure.Load(); err != nil {
		return observed{}, *err
	}
	spent, elapsed := cpuTime()-cpu, time.Since(begun)
	return observed{slices.Concat(took...), spent, elapsed}, nil
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func median(samples []sample, of func(sample) float64) float64 {
	values := make([]float64, len(samples))
	for n, s := range samples {
		values[n] = of(s)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
