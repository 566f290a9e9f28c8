import json

import grpc
from assent.auth.v1.auth_service_pb2_grpc import AuthServiceStub

SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "healthCheckConfig": {"serviceName": "assent.auth.v1.AuthService"},
    "methodConfig": [
        {
            "name": [{"service": "assent.auth.v1.AuthService"}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.05s",
                "maxBackoff": "1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
}

OPTIONS = [
    ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 2_000),
    ("grpc.http2.ping_timeout_ms", 2_000),  # 60 s otherwise, whatever keepalive_timeout_ms says
    ("grpc.initial_reconnect_backoff_ms", 100),  # gRPC's own backoff grows to 120 s
    ("grpc.min_reconnect_backoff_ms", 1_000),  # how long one attempt to connect may take
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.dns_min_time_between_resolutions_ms", 1_000),  # 30 s otherwise
]


def new_assent(target: str) -> AuthServiceStub:
    """The client; target is for example dns:///assent:50051. Make one and share it between threads."""
    return AuthServiceStub(grpc.insecure_channel(target, OPTIONS))  # secure_channel beyond one machine
