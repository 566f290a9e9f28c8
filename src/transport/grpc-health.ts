/** `grpc.health.v1` of the gRPC doors. */
import { HealthImplementation } from 'grpc-health-check';
import { AuthService } from '../../gen/assent/auth/v1/auth_service_pb.ts';

export interface Health extends Pick<HealthImplementation, 'addToServer'> {
  setServing(serving: boolean): void;
}

/** Health of the process and of the service, which are one. Open to whoever reaches the port: it says nothing of people. */
export const createHealth = (): Health => {
  const services = ['', AuthService.typeName];
  const health = new HealthImplementation(Object.fromEntries(services.map((service) => [service, 'NOT_SERVING'])));
  return {
    addToServer: (server) => health.addToServer(server),
    setServing: (serving) => {
      for (const service of services) health.setStatus(service, serving ? 'SERVING' : 'NOT_SERVING');
    },
  };
};
