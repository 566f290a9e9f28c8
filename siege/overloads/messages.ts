/** Messages of calls whose ids are other ones each time. */
import { create, toBinary } from '@bufbuild/protobuf';
import {
  BatchCheckPermissionsRequestSchema,
  CheckPermissionRequestSchema,
} from '../../gen/assent/auth/v1/auth_service_pb.ts';
import type { Message } from '../load-process.ts';
import { checkOf } from '../world.ts';

/** 32 hexadecimal digits that stand for an id. */
const PLACE = 'f'.repeat(32);
const ORGANIZATION = 'an-organization-without-members';

/** A check of a user that the service has not been asked about. */
export function coldCheck(): Message {
  return withPlaces(checkOf(PLACE, ORGANIZATION));
}

/** A batch of such checks. */
export function coldBatch(checks: number): Message {
  const check = create(CheckPermissionRequestSchema, {
    subject: { case: 'userId', value: PLACE },
    scope: { case: 'organizationId', value: ORGANIZATION },
    permission: 'data:write',
  });
  const batch = create(BatchCheckPermissionsRequestSchema, { checks: Array.from({ length: checks }, () => check) });
  return withPlaces(toBinary(BatchCheckPermissionsRequestSchema, batch));
}

function withPlaces(bytes: Uint8Array): Message {
  const body = Buffer.from(bytes);
  const idsAt: number[] = [];
  for (let at = body.indexOf(PLACE); at >= 0; at = body.indexOf(PLACE, at + PLACE.length)) idsAt.push(at);
  return { body: body.toString('base64'), idsAt };
}
