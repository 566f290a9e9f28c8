package com.example.orders;

import example.assent.auth.v1.AuthServiceGrpc;
import io.grpc.ManagedChannel;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/** The client with its settings. Make one; it is safe for concurrent use. */
public final class AssentClient implements AutoCloseable {
  private static final Map<String, Object> SERVICE_CONFIG = Map.of(
      "loadBalancingConfig", List.of(Map.of("round_robin", Map.of())),
      "healthCheckConfig", Map.of("serviceName", "assent.auth.v1.AuthService"),
      "methodConfig", List.of(Map.of(
          "name", List.of(Map.of("service", "assent.auth.v1.AuthService")),
          "timeout", "1s",
          "retryPolicy", Map.of(
              "maxAttempts", 4.0, "initialBackoff", "0.05s", "maxBackoff", "1s", "backoffMultiplier", 2.0,
              "retryableStatusCodes", List.of("UNAVAILABLE")))));

  private final ManagedChannel channel;
  private final ScheduledExecutorService timer;

  /** @param target for example dns:///assent:50051 */
  public AssentClient(String target) {
    channel = NettyChannelBuilder.forTarget(target)
        .usePlaintext() // useTransportSecurity() beyond one machine
        .defaultServiceConfig(SERVICE_CONFIG)
        .keepAliveTime(10, TimeUnit.SECONDS)
        .keepAliveTimeout(2, TimeUnit.SECONDS)
        .build();
    // grpc-java has no setting for its backoff, which grows to 120 s. This ends a wait; without one it does nothing.
    timer = Executors.newSingleThreadScheduledExecutor(work -> {
      Thread thread = new Thread(work, "assent-reconnect");
      thread.setDaemon(true);
      return thread;
    });
    timer.scheduleWithFixedDelay(channel::resetConnectBackoff, 500, 500, TimeUnit.MILLISECONDS);
  }

  public AuthServiceGrpc.AuthServiceBlockingStub calls() {
    return AuthServiceGrpc.newBlockingStub(channel);
  }

  @Override
  public void close() {
    timer.shutdownNow();
    channel.shutdownNow();
  }
}
