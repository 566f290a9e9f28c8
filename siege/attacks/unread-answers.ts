/** Answers of a known caller that it does not read. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  BatchCheckPermissionsRequestSchema,
  CheckPermissionRequestSchema,
} from '../../gen/assent/auth/v1/auth_service_pb.ts';
import { clientHello, settings } from '../../tools/network/http2-frames.ts';
import { callWithToken, grpcCall } from '../requests.ts';
import type { Attack } from '../scenario.ts';
import { attackInLanes, streamEnds } from '../wire.ts';

const CONNECTIONS = 10;
const STREAMS = 900;
const CHECKS = 100;
const INITIAL_WINDOW_SIZE = 4;
const BATCH = '/assent.auth.v1.AuthService/BatchCheckPermissions';

export const unreadAnswers: Attack = {
  name: 'unread-answers',
  title: `batches of ${CHECKS} by a caller who reads no answer, ${STREAMS} on each of ${CONNECTIONS} connections`,
  kind: 'callers',
  run: (target, tally) =>
    attackInLanes(target, tally, CONNECTIONS, async ({ open, over }, index) => {
      const hello = clientHello(settings({ [INITIAL_WINDOW_SIZE]: 0 }));
      const onData = streamEnds(() => {
        tally.answered += 1;
      });
      const wire = await open({ port: target.grpcPort, address: index, hello, onData });
      if (wire === null) return null;
      const check = fromBinary(CheckPermissionRequestSchema, Buffer.from(target.check, 'base64'));
      const batch = create(BatchCheckPermissionsRequestSchema, { checks: Array.from({ length: CHECKS }, () => check) });
      const message = toBinary(BatchCheckPermissionsRequestSchema, batch);
      const headers = callWithToken(BATCH, target.token);
      for (let number = 0; number < STREAMS && !over(); number += 1) {
        if (!(await wire.write(grpcCall(number * 2 + 1, headers, message)))) break;
        tally.sent += 1;
      }
      return wire;
    }),
};
