package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	assent "assent.example/go"
	authv1 "assent.example/go/gen/assent/auth/v1"
)

// input is the first line of orders; bench/kits/order.ts says what it means.
type input struct {
	Address    string    `json:"address"`
	Permission string    `json:"permission"`
	Subjects   []subject `json:"subjects"`
}

type subject struct {
	UserID         string `json:"userId"`
	OrganizationID string `json:"organizationId"`
}

type order struct {
	Way     string  `json:"way"`
	Callers int     `json:"callers"`
	Seconds float64 `json:"seconds"`
}

type result struct {
	PerSecond float64   `json:"rps"`
	CPUMicros float64   `json:"cpuMicros"`
	Errors    int64     `json:"errors"`
	Latencies []float64 `json:"latencies"`
}

// obey reads the input and then orders, one JSON object each, and answers each by one line, until the reader ends.
func obey(in io.Reader, out io.Writer) error {
	decoder, encoder := json.NewDecoder(in), json.NewEncoder(out)
	var given input
	if err := decoder.Decode(&given); err != nil {
		return fmt.Errorf("reading the input: %w", err)
	}
	batched, err := assent.New(given.Address)
	if err != nil {
		return err
	}
	defer batched.Close()
	unbatched, err := assent.New(given.Address, assent.WithoutBatching())
	if err != nil {
		return err
	}
	defer unbatched.Close()
	conn, err := grpc.NewClient(given.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	ways := map[string]ask{
		"bare":      bareOf(authv1.NewAuthServiceClient(conn), given),
		"batched":   kitOf(batched, given),
		"unbatched": kitOf(unbatched, given),
	}
	for name, way := range ways {
		for n := range given.Subjects {
			if err := way(context.Background(), n); err != nil {
				return fmt.Errorf("%s: caller %d: %w", name, n, err)
			}
		}
	}
	if err := encoder.Encode(map[string]bool{"ready": true}); err != nil {
		return err
	}
	for {
		var next order
		if err := decoder.Decode(&next); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading an order: %w", err)
		}
		way, known := ways[next.Way]
		if !known || next.Callers < 1 || next.Callers > len(given.Subjects) {
			return fmt.Errorf("an order that cannot be obeyed: %+v", next)
		}
		if err := encoder.Encode(count(way, next)); err != nil {
			return err
		}
	}
}

// count asks until the time is over. Unlike measure it goes on after an error, and counts it.
func count(way ask, given order) result {
	var failed atomic.Int64
	counted := func(ctx context.Context, n int) error {
		if err := way(ctx, n); err != nil {
			failed.Add(1)
		}
		return nil
	}
	o, _ := observe(&row{ask: counted, callers: given.Callers}, given.Seconds)
	latencies := []float64{}
	if given.Callers == 1 {
		for _, took := range o.took {
			latencies = append(latencies, float64(took)/1e3)
		}
	}
	calls := float64(len(o.took))
	return result{calls / o.elapsed.Seconds(), float64(o.cpu) / 1e3 / calls, failed.Load(), latencies}
}

func kitOf(c *assent.Client, given input) ask {
	return func(ctx context.Context, n int) error {
		who := given.Subjects[n]
		allowed, err := c.Can(ctx, assent.User(who.UserID), assent.Organization(who.OrganizationID), given.Permission)
		return verdict(allowed, err)
	}
}

func bareOf(stub authv1.AuthServiceClient, given input) ask {
	return func(ctx context.Context, n int) error {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		d, err := stub.CheckPermission(ctx, &authv1.CheckPermissionRequest{
			Subject:    &authv1.CheckPermissionRequest_UserId{UserId: given.Subjects[n].UserID},
			Scope:      &authv1.CheckPermissionRequest_OrganizationId{OrganizationId: given.Subjects[n].OrganizationID},
			Permission: given.Permission,
		})
		return verdict(d.GetAllowed(), err)
	}
}
