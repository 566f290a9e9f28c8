/** The caller in TypeScript: bare grpc-js and the kit. Takes orders by IPC: first the input, then what to measure. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, credentials } from '@grpc/grpc-js';
import {
  AuthService,
  CheckPermissionRequestSchema,
  CheckPermissionResponseSchema,
} from '../../gen/assent/auth/v1/auth_service_pb.ts';
import { createAssent } from '../../packages/client/src/index.ts';
import type { CallerInput, CallerOrder, CallerResult, Way } from './order.ts';

/** Asks the check of one caller. @returns whether it is allowed. */
type Ask = (caller: number) => Promise<boolean>;

/** The same as the kit's. */
const TIMEOUT_MS = 1_000;

let ways: Readonly<Record<Way, Ask>> | null = null;

process.on('message', (message: CallerInput | CallerOrder) => {
  const answer = 'address' in message ? start(message) : measure(message);
  void answer.then((result) => process.send?.(result));
});
process.on('disconnect', () => process.exit());

async function start(input: CallerInput): Promise<{ readonly ready: true }> {
  ways = { bare: bare(input), batched: kit(input, true), unbatched: kit(input, false) };
  for (const [way, ask] of Object.entries(ways)) {
    for (const caller of input.subjects.keys()) {
      if (!(await ask(caller))) throw new Error(`${way}: the answer to caller ${caller} is no`);
    }
  }
  return { ready: true };
}

function kit({ address, permission, subjects }: CallerInput, batching: boolean): Ask {
  const assent = createAssent({ address, batching });
  const targets = subjects.map(({ userId, organizationId }) => ({ user: userId, organization: organizationId }));
  return (caller) => assent.can(targets[caller] ?? { user: '', organization: '' }, permission);
}

/** What a service would write without a kit: a message, a deadline, a promise. */
function bare({ address, permission, subjects }: CallerInput): Ask {
  const client = new Client(address, credentials.createInsecure());
  const path = `/${AuthService.typeName}/CheckPermission`;
  const serialize = (request: ReturnType<typeof requestOf>): Buffer =>
    Buffer.from(toBinary(CheckPermissionRequestSchema, request));
  const deserialize = (bytes: Buffer) => fromBinary(CheckPermissionResponseSchema, bytes);
  const requestOf = (caller: number) =>
    create(CheckPermissionRequestSchema, {
      subject: { case: 'userId', value: subjects[caller]?.userId ?? '' },
      scope: { case: 'organizationId', value: subjects[caller]?.organizationId ?? '' },
      permission,
    });
  return (caller) =>
    new Promise((resolve, reject) => {
      const deadline = Date.now() + TIMEOUT_MS;
      client.makeUnaryRequest(path, serialize, deserialize, requestOf(caller), { deadline }, (error, answer) => {
        if (error === null) resolve(answer?.allowed === true);
        else reject(error);
      });
    });
}

async function measure({ way, callers, seconds }: CallerOrder): Promise<CallerResult> {
  if (ways === null) throw new Error('no input');
  const ask = ways[way];
  const latencies: number[] = [];
  let calls = 0;
  let errors = 0;
  const cpuBefore = process.cpuUsage();
  const began = performance.now();
  const end = began + seconds * 1_000;
  const callUntilEnd = async (caller: number): Promise<void> => {
    for (let last = performance.now(); last < end; ) {
      const allowed = await ask(caller).catch(() => false);
      const now = performance.now();
      calls += 1;
      if (!allowed) errors += 1;
      if (callers === 1) latencies.push((now - last) * 1_000);
      last = now;
    }
  };
  await Promise.all(Array.from({ length: callers }, (_, caller) => callUntilEnd(caller)));
  const elapsed = (performance.now() - began) / 1_000;
  const { user, system } = process.cpuUsage(cpuBefore);
  return { rps: calls / elapsed, cpuMicros: (user + system) / calls, errors, latencies };
}
