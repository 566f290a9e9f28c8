package main

import (
	"time"

	authv1 "example.com/orders/gen/assent/auth/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/health" // without it healthCheckConfig does nothing
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/resolver/dns"
)

const serviceConfig = `{
  "loadBalancingConfig": [{"round_robin": {}}],
  "healthCheckConfig": {"serviceName": "assent.auth.v1.AuthService"},
  "methodConfig": [{
    "name": [{"service": "assent.auth.v1.AuthService"}],
    "timeout": "1s",
    "retryPolicy": {
      "maxAttempts": 4, "initialBackoff": "0.05s", "maxBackoff": "1s", "backoffMultiplier": 2,
      "retryableStatusCodes": ["UNAVAILABLE"]
    }
  }]
}`

// newAssent makes the client; target is for example dns:///assent:50051. It is safe for concurrent use: make one.
func newAssent(target string) (authv1.AuthServiceClient, error) {
	dns.SetMinResolutionInterval(time.Second) // 30 s otherwise: so long a replica's new address is not seen
	conn, err := grpc.NewClient(target,
		grpc.WithTransportCredentials(insecure.NewCredentials()), // credentials.NewTLS beyond one machine
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 2 * time.Second}),
		grpc.WithConnectParams(grpc.ConnectParams{ // gRPC's own backoff grows to 120 s
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			MinConnectTimeout: 2 * time.Second,
		}))
	if err != nil {
		return nil, err
	}
	return authv1.NewAuthServiceClient(conn), nil
}
