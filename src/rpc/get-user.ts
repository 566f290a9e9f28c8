/** GetUser: one user, by id or by e-mail address. */
import { create } from '@bufbuild/protobuf';
import {
  type GetUserRequest,
  type GetUserResponse,
  GetUserResponseSchema,
} from '../../gen/assent/auth/v1/auth_service_pb.ts';
import { demandOf } from '../admission/demand.ts';
import { AssentError, invalidArgument } from '../errors.ts';
import { checkId, Violations } from './request.ts';
import { userMessage } from './response.ts';
import type { Caller, Services } from './services.ts';

export async function getUser(
  services: Services,
  { lookup }: GetUserRequest,
  caller: Caller,
): Promise<GetUserResponse> {
  if (lookup.case === undefined) throw invalidArgument('lookup', 'set user_id or email.');
  const violations = new Violations();
  checkId(violations, lookup.case === 'userId' ? 'user_id' : 'email', lookup.value);
  violations.reject();
  const user =
    lookup.case === 'userId'
      ? await services.directory.userById(lookup.value, demandOf(caller))
      : await services.directory.userByEmail(lookup.value, demandOf(caller));
  if (user === null) throw new AssentError('USER_NOT_FOUND', 'There is no such user.');
  const { defaultPlatformRole } = services.policy();
  return create(GetUserResponseSchema, { user: userMessage(user, defaultPlatformRole, services.clock.now()) });
}
