/** VerifyToken: the content of a token that verifies. */
import { create } from '@bufbuild/protobuf';
import {
  type VerifyTokenRequest,
  type VerifyTokenResponse,
  VerifyTokenResponseSchema,
} from '../../gen/assent/auth/v1/auth_service_pb.ts';
import { andThen } from '../and-then.ts';
import type { VerifiedToken } from '../token/principal.ts';
import { checkToken, Violations } from './request.ts';
import { principalMessage, timestampFromSeconds } from './response.ts';
import type { Services } from './services.ts';

/** Answers at once for most tokens. */
export function verifyToken(
  services: Services,
  request: VerifyTokenRequest,
): VerifyTokenResponse | Promise<VerifyTokenResponse> {
  const violations = new Violations();
  checkToken(violations, 'token', request.token);
  violations.reject();
  return andThen(services.verifier.verify(request.token), respond);
}

function respond({ principal, issuedAt, expiresAt }: VerifiedToken): VerifyTokenResponse {
  return create(VerifyTokenResponseSchema, {
    principal: principalMessage(principal),
    ...(issuedAt === null ? {} : { issuedAt: timestampFromSeconds(issuedAt) }),
    expiresAt: timestampFromSeconds(expiresAt),
  });
}
