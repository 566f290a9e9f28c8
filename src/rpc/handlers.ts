/** Every rpc by its name: message in, message out. The doors know nothing else of them. */
import type { MessageShape } from '@bufbuild/protobuf';
import type { AuthService } from '../../gen/assent/auth/v1/auth_service_pb.ts';
import { batchCheckPermissions } from './batch-check-permissions.ts';
import { checkPermission } from './check-permission.ts';
import { getOrganization } from './get-organization.ts';
import { getUser } from './get-user.ts';
import { listPermissions } from './list-permissions.ts';
import { listUserOrganizations } from './list-user-organizations.ts';
import type { Caller, Services } from './services.ts';
import { verifyToken } from './verify-token.ts';

type Methods = (typeof AuthService)['method'];

/**
 * Handlers of all methods. Each returns its answer at once where it can, so that a door need not wait for a promise, and
 * throws, or rejects with, what `errors.ts` knows.
 */
export type Handlers = {
  readonly [Name in keyof Methods]: (
    request: MessageShape<Methods[Name]['input']>,
    caller: Caller,
  ) => MessageShape<Methods[Name]['output']> | Promise<MessageShape<Methods[Name]['output']>>;
};

/** @param onDefect Reports an error within a batch that is not the caller's. */
export const createHandlers = (services: Services, onDefect: (error: unknown) => void): Handlers => ({
  verifyToken: (request) => verifyToken(services, request),
  checkPermission: (request, caller) => checkPermission(services, request, caller),
  batchCheckPermissions: (request, caller) => batchCheckPermissions(services, request, caller, onDefect),
  listPermissions: (request, caller) => listPermissions(services, request, caller),
  getUser: (request, caller) => getUser(services, request, caller),
  getOrganization: (request, caller) => getOrganization(services, request, caller),
  listUserOrganizations: (request, caller) => listUserOrganizations(services, request, caller),
});
