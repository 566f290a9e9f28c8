/** VerifyToken: what a token says, once it verifies. */
import { create } from '@bufbuild/protobuf';
import {
  type VerifyTokenRequest,
  type VerifyTokenResponse,
  VerifyTokenResponseSchema,
} from '../../gen/assent/auth/v1/auth_service_pb.ts';
import type { VerifiedToken } from '../token/principal.ts';
import { principalMessage, timestampFromSeconds } from './messages.ts';
import type { Services } from './services.ts';
import { checkToken, Violations } from './validate.ts';

const respond = ({ principal, issuedAt, expiresAt }: VerifiedToken): VerifyTokenResponse =>
  create(VerifyTokenResponseSchema, {
    principal: principalMessage(principal),
    ...(issuedAt === null ? {} : { issuedAt: timestampFromSeconds(issuedAt) }),
    expiresAt: timestampFromSeconds(expiresAt),
  });

export const verifyToken = (
  services: Services,
  request: VerifyTokenRequest,
): VerifyTokenResponse | Promise<VerifyTokenResponse> => {
  const violations = new Violations();
  checkToken(violations, 'token', request.token);
  violations.reject();
  const verified = services.verifier.verify(request.token);
  return verified instanceof Promise ? verified.then(respond) : respond(verified);
};
