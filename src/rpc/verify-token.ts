/** VerifyToken: what a token says, once it verifies. */
import { create } from '@bufbuild/protobuf';
import {
  type VerifyTokenRequest,
  type VerifyTokenResponse,
  VerifyTokenResponseSchema,
} from '../../gen/assent/auth/v1/auth_service_pb.ts';
import { principalMessage, timestampFromSeconds } from './messages.ts';
import type { Services } from './services.ts';
import { checkToken, Violations } from './validate.ts';

export const verifyToken = async (services: Services, request: VerifyTokenRequest): Promise<VerifyTokenResponse> => {
  const violations = new Violations();
  checkToken(violations, 'token', request.token);
  violations.reject();
  const { principal, issuedAt, expiresAt } = await services.verifier.verify(request.token);
  return create(VerifyTokenResponseSchema, {
    principal: principalMessage(principal),
    ...(issuedAt === null ? {} : { issuedAt: timestampFromSeconds(issuedAt) }),
    expiresAt: timestampFromSeconds(expiresAt),
  });
};
