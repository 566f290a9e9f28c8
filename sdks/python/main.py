"""One call of Assent: ADDRESS USER ORGANIZATION PERMISSION.

With a fifth argument it asks again and again, with as many milliseconds between the calls.
"""

import os
import sys
import time

import grpc
from assent.auth.v1.auth_service_pb2 import CheckPermissionRequest, Reason
from assent.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from assent_client import new_assent


def ask(client: AuthServiceStub, request: CheckPermissionRequest, metadata: list[tuple[str, str]]) -> str:
    try:
        answer = client.CheckPermission(request, timeout=1, metadata=metadata)
    except grpc.RpcError as error:
        return f"error {error.code().name}"
    return f"{'allowed' if answer.allowed else 'denied'} {Reason.Name(answer.reason)}"


def main() -> None:
    if len(sys.argv) < 5:
        sys.exit("usage: main.py ADDRESS USER ORGANIZATION PERMISSION [MILLISECONDS]")
    target, user, organization, permission, *pause = sys.argv[1:]
    client = new_assent(target)
    token = os.environ.get("ASSENT_TOKEN")
    metadata = [("authorization", f"Bearer {token}")] if token else []
    request = CheckPermissionRequest(user_id=user, organization_id=organization, permission=permission)
    while True:
        print(ask(client, request, metadata), flush=True)
        if not pause:
            return
        time.sleep(int(pause[0]) / 1000)


if __name__ == "__main__":
    main()
