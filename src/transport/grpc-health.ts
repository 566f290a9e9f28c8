/** `grpc.health.v1` of the gRPC doors. */
import {
  status as Code,
  type handleServerStreamingCall,
  type handleUnaryCall,
  type Server,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { AuthService } from '../../gen/assent/auth/v1/auth_service_pb.ts';

export interface Health {
  addToServer(server: Pick<Server, 'addService'>): void;
  setServing(serving: boolean): void;
}

const SERVICES: ReadonlySet<string> = new Set(['', AuthService.typeName]);

interface Request {
  readonly service: string;
}
type Check = handleUnaryCall<Request, unknown>;
type Watch = handleServerStreamingCall<Request, unknown>;

/**
 * Lets the library see no name but ours. It keeps each that is watched for ever and quotes the one that is asked about,
 * and whoever reaches the port may send as many as it likes, at the door of grpc-js of 4 MiB each.
 */
const ofOurServices = ({ check, watch, ...others }: UntypedServiceImplementation): UntypedServiceImplementation => {
  const checkOurs: Check = (call, callback) => {
    if (SERVICES.has(call.request.service)) (check as Check)(call, callback);
    else callback({ code: Code.NOT_FOUND, details: 'There is no such service.' });
  };
  const watchOurs: Watch = (call) => {
    if (SERVICES.has(call.request.service)) (watch as Watch)(call);
    // By the protocol it stays open, for the service may come to be; none does here.
    else call.write({ status: 'SERVICE_UNKNOWN' });
  };
  return { ...others, check: checkOurs, watch: watchOurs };
};

/** Health of the process and of the service, which are one. Open to whoever reaches the port: it says nothing of people. */
export const createHealth = (): Health => {
  const health = new HealthImplementation(Object.fromEntries([...SERVICES].map((service) => [service, 'NOT_SERVING'])));
  return {
    addToServer: (server) => {
      health.addToServer({
        addService: (service, implementation) => server.addService(service, ofOurServices(implementation)),
      });
    },
    setServing: (serving) => {
      for (const service of SERVICES) health.setStatus(service, serving ? 'SERVING' : 'NOT_SERVING');
    },
  };
};
