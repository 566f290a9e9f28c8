import { create } from '@bufbuild/protobuf';
import { beforeEach, expect, it } from 'vitest';
import {
  AuthService,
  CheckPermissionRequestSchema,
  CheckPermissionResponseSchema,
} from '../../../gen/assent/auth/v1/auth_service_pb.ts';
import type { CallContext } from '../../../src/server/call-context.ts';
import { API_RULES, methodsOf, type UnaryMethod } from '../../../src/server/methods.ts';
import { createPipeline, type Pipeline } from '../../../src/server/pipeline.ts';
import type { DefectiveCall } from '../../../src/server/pipeline-options.ts';
import { WorkShare } from '../../../src/server/work-share.ts';
import { sha256 } from '../../support/callers.ts';
import { callersFrom } from '../../support/server/test-server.ts';

const authenticate = callersFrom(`
callers:
  - name: single
    tokens: [{ sha256: ${sha256('single')} }]
    inFlight: 1
`);

let defects: (DefectiveCall | undefined)[];
let traced: (string | null)[];
let pipeline: Pipeline;
beforeEach(() => {
  defects = [];
  traced = [];
  pipeline = createPipeline({
    authenticate,
    openCalls: { add: () => () => {}, onReview: () => {}, review: () => {} },
    replica: 'replica',
    position: () => ({ revision: 'epoch:1', takenAt: null }),
    onCall: () => {},
    onCallerCall: () => {},
    onCallerRefused: () => {},
    onShed: () => {},
    onDefect: (_error, call) => defects.push(call),
    traceCall: (_method, _header, caller) => {
      traced.push(caller);
      return () => {};
    },
  });
});

const method = (handle: UnaryMethod['handle']): UnaryMethod => {
  const unasked = () => create(CheckPermissionResponseSchema);
  const handlers = Object.fromEntries(AuthService.methods.map(({ localName }) => [localName, unasked]));
  const [found] = methodsOf(AuthService, { ...handlers, checkPermission: handle }, API_RULES).filter(
    ({ name }) => name === 'CheckPermission',
  );
  if (found?.kind !== 'unary') throw new Error('no such method');
  return found;
};

/** A call that is not over as far as its protocol knows. */
const call: CallContext = {
  connection: {
    known: true,
    share: new WorkShare(() => null),
    caller: undefined,
    authenticated: () => {},
    refused: () => {},
    lastRequest: () => {},
    unbound: () => {},
  },
  header: (name) => (name === 'authorization' ? 'Bearer single' : undefined),
  certificateNames: () => [],
  setHeader: () => {},
  endedAs: () => null,
  onEnd: () => {},
  onClose: () => {},
};

it('a call is no longer in flight once it is answered, though its stream still closes', async () => {
  const request = () => create(CheckPermissionRequestSchema);
  const answers: readonly UnaryMethod['handle'][] = [
    () => create(CheckPermissionResponseSchema),
    () => Promise.resolve(create(CheckPermissionResponseSchema)),
    () => Promise.reject(new Error('a defect')),
    () => {
      throw new Error('a defect');
    },
  ];
  for (const handle of [...answers, ...answers]) {
    const admitted = pipeline.admit(method(handle), call);
    if (!admitted.ok) throw new Error(admitted.status.message);
    expect(pipeline.admit(method(handle), call)).toMatchObject({ ok: false, status: { code: 8 } });
    await admitted.run(request, () => 'answer');
  }
});

it('a defect is reported with its method and its caller, and a span names the caller', async () => {
  const admitted = pipeline.admit(
    method(() => {
      throw new Error('a defect');
    }),
    call,
  );
  if (!admitted.ok) throw new Error(admitted.status.message);
  await admitted.run(
    () => create(CheckPermissionRequestSchema),
    () => '',
  );
  expect(defects).toEqual([{ method: 'CheckPermission', caller: 'single' }]);
  expect(traced).toEqual(['single']);
});
