/** The answer of the baselines: the message that Assent would, made anew for each call. */
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  type CheckPermissionResponse,
  CheckPermissionResponseSchema,
  Reason,
  Source,
} from '../../gen/assent/auth/v1/auth_service_pb.ts';

const COMPUTED_AT = Date.now();

export const answer = (): CheckPermissionResponse =>
  create(CheckPermissionResponseSchema, {
    allowed: true,
    reason: Reason.ROLE_GRANTS,
    roles: ['staff'],
    grantedBy: 'staff',
    source: Source.MEMORY,
    computedAt: timestampFromMs(COMPUTED_AT),
  });
