/** The handlers of AuthService by their methods: message in, message out. Servers call handlers only by this map. */
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

export function createHandlers(services: Services): Handlers {
  return {
    verifyToken: (request) => verifyToken(services, request),
    checkPermission: (request, caller) => checkPermission(services, request, caller),
    batchCheckPermissions: (request, caller) => batchCheckPermissions(services, request, caller),
    listPermissions: (request, caller) => listPermissions(services, request, caller),
    getUser: (request, caller) => getUser(services, request, caller),
    getOrganization: (request, caller) => getOrganization(services, request, caller),
    listUserOrganizations: (request, caller) => listUserOrganizations(services, request, caller),
  };
}

type Methods = (typeof AuthService)['method'];

/**
 * A handler for each method. It answers at once where it can, so that a server need not wait for a promise; it throws, or
 * rejects with, an error that status.ts knows.
 */
export type Handlers = {
  readonly [Name in keyof Methods]: (
    request: MessageShape<Methods[Name]['input']>,
    caller: Caller,
  ) => MessageShape<Methods[Name]['output']> | Promise<MessageShape<Methods[Name]['output']>>;
};
