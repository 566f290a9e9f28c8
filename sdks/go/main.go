// One call of Assent: ADDRESS USER ORGANIZATION PERMISSION. With a fifth argument it asks again and again, with as many
// milliseconds between the calls.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	authv1 "example.com/orders/gen/assent/auth/v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

func main() {
	if len(os.Args) < 5 {
		fmt.Fprintln(os.Stderr, "usage: orders ADDRESS USER ORGANIZATION PERMISSION [MILLISECONDS]")
		os.Exit(2)
	}
	client, err := newAssent(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	ctx := context.Background()
	if token := os.Getenv("ASSENT_TOKEN"); token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	request := &authv1.CheckPermissionRequest{
		Subject:    &authv1.CheckPermissionRequest_UserId{UserId: os.Args[2]},
		Scope:      &authv1.CheckPermissionRequest_OrganizationId{OrganizationId: os.Args[3]},
		Permission: os.Args[4],
	}
	for {
		fmt.Println(ask(ctx, client, request))
		if len(os.Args) < 6 {
			return
		}
		pause, _ := strconv.Atoi(os.Args[5])
		time.Sleep(time.Duration(pause) * time.Millisecond)
	}
}

func ask(ctx context.Context, client authv1.AuthServiceClient, request *authv1.CheckPermissionRequest) string {
	answer, err := client.CheckPermission(ctx, request)
	if err != nil {
		return "error " + status.Code(err).String()
	}
	if !answer.GetAllowed() {
		return "denied " + answer.GetReason().String()
	}
	return "allowed " + answer.GetReason().String()
}
