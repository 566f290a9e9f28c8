package com.example.orders;

import example.assent.auth.v1.AuthServiceGrpc.AuthServiceBlockingStub;
import example.assent.auth.v1.CheckPermissionRequest;
import example.assent.auth.v1.CheckPermissionResponse;
import io.grpc.Metadata;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.MetadataUtils;

/**
 * One call of Assent: ADDRESS USER ORGANIZATION PERMISSION. With a fifth argument it asks again and again, with as many
 * milliseconds between the calls.
 */
public final class Main {
  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  public static void main(String[] arguments) throws InterruptedException {
    if (arguments.length < 4) {
      System.err.println("usage: Main ADDRESS USER ORGANIZATION PERMISSION [MILLISECONDS]");
      System.exit(2);
    }
    try (AssentClient client = new AssentClient(arguments[0])) {
      AuthServiceBlockingStub calls = client.calls();
      String token = System.getenv("ASSENT_TOKEN");
      if (token != null) {
        Metadata metadata = new Metadata();
        metadata.put(AUTHORIZATION, "Bearer " + token);
        calls = calls.withInterceptors(MetadataUtils.newAttachHeadersInterceptor(metadata));
      }
      CheckPermissionRequest request = CheckPermissionRequest.newBuilder()
          .setUserId(arguments[1])
          .setOrganizationId(arguments[2])
          .setPermission(arguments[3])
          .build();
      while (true) {
        System.out.println(ask(calls, request));
        if (arguments.length < 5) return;
        Thread.sleep(Long.parseLong(arguments[4]));
      }
    }
  }

  private static String ask(AuthServiceBlockingStub calls, CheckPermissionRequest request) {
    try {
      CheckPermissionResponse answer = calls.checkPermission(request);
      return (answer.getAllowed() ? "allowed " : "denied ") + answer.getReason();
    } catch (StatusRuntimeException error) {
      return "error " + error.getStatus().getCode();
    }
  }
}
