/** `grpc.health.v1`: whether the process takes calls. No caller is authenticated, since it discloses no personal data. */
import { create } from '@bufbuild/protobuf';
import { AuthService } from '../../gen/assent/auth/v1/auth_service_pb.ts';
import {
  Health,
  type HealthCheckRequest,
  HealthCheckResponseSchema,
  HealthListResponseSchema,
  HealthCheckResponse_ServingStatus as Status,
} from '../../gen/grpc/health/v1/health_pb.ts';
import { Code } from '../rpc/status.ts';
import { RefusedCall } from './errors.ts';
import { MAX_SMALL_MESSAGE_BYTES } from './limits.ts';
import { type Method, methodsOf, type Responses } from './methods.ts';

export interface HealthService {
  readonly methods: readonly Method[];
  isServing(): boolean;
  setServing(serving: boolean): void;
}

/** The process and its service are one. Names of other services are never kept: a caller may ask for any number of them. */
const SERVICES: readonly string[] = ['', AuthService.typeName];

/** Creates the service, not serving. */
export function createHealth(): HealthService {
  let status: Status = Status.NOT_SERVING;
  const watchers = new Set<Responses>();
  const response = (of: Status = status) => create(HealthCheckResponseSchema, { status: of });
  const handlers = {
    check: ({ service }: HealthCheckRequest) => {
      if (!SERVICES.includes(service)) throw new RefusedCall(Code.NOT_FOUND, 'There is no such service.');
      return response();
    },
    list: () =>
      create(HealthListResponseSchema, { statuses: Object.fromEntries(SERVICES.map((name) => [name, response()])) }),
    watch:
      (responses: Responses) =>
      ({ service }: HealthCheckRequest): void => {
        // The protocol keeps the call open, since the service may come to exist. Here none does.
        if (!SERVICES.includes(service)) {
          responses.send(response(Status.SERVICE_UNKNOWN));
          return;
        }
        watchers.add(responses);
        responses.onClose(() => watchers.delete(responses));
        responses.send(response());
      },
  };
  return {
    methods: methodsOf(Health, handlers, { open: true, observed: false, maxRequestBytes: MAX_SMALL_MESSAGE_BYTES }),
    isServing: () => status === Status.SERVING,
    setServing: (serving) => {
      const now = serving ? Status.SERVING : Status.NOT_SERVING;
      if (now === status) return;
      status = now;
      for (const watcher of watchers) watcher.send(response());
    },
  };
}
