import { createRegistry, type JsonObject, toJson } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { expect, it } from 'vitest';
import { file_google_rpc_error_details } from '../../../gen/google/rpc/error_details_pb.ts';
import { AssentError, type ErrorCode, invalidArgument } from '../../../src/errors.ts';
import { type ErrorStatus, errorStatus } from '../../../src/rpc/status.ts';
import { errorTrailers } from '../../../src/server/grpc/status.ts';

const registry = createRegistry(file_google_rpc_error_details);
const detailsOf = ({ details }: ErrorStatus): readonly JsonObject[] =>
  details.map((detail) => {
    const message = anyUnpack(detail, registry);
    const desc = message === undefined ? undefined : registry.getMessage(message.$typeName);
    if (message === undefined || desc === undefined) throw new Error(`an unknown detail: ${detail.typeUrl}`);
    return { '@type': desc.typeName, ...(toJson(desc, message) as JsonObject) };
  });
const errorInfo = (reason: string): JsonObject => ({ '@type': 'google.rpc.ErrorInfo', reason, domain: 'assent' });
const never = (): void => {
  throw new Error('this is no defect');
};

it.each<[ErrorCode, number]>([
  ['TOKEN_MALFORMED', 16],
  ['TOKEN_EXPIRED', 16],
  ['TOKEN_NOT_YET_VALID', 16],
  ['TOKEN_SIGNATURE_INVALID', 16],
  ['TOKEN_ALGORITHM_REFUSED', 16],
  ['TOKEN_KEY_UNKNOWN', 16],
  ['TOKEN_ISSUER_MISMATCH', 16],
  ['TOKEN_AUDIENCE_MISMATCH', 16],
  ['TOKEN_CLAIMS_INVALID', 16],
  ['CALLER_UNAUTHENTICATED', 16],
  ['USER_NOT_FOUND', 5],
  ['ORGANIZATION_NOT_FOUND', 5],
  ['DATABASE_UNAVAILABLE', 14],
  ['KEYS_UNAVAILABLE', 14],
])('the error code %s becomes the gRPC status %i, with ErrorInfo', (code, number) => {
  const status = errorStatus(new AssentError(code, 'What is wrong.'), never);
  expect(status).toMatchObject({ code: number, message: 'What is wrong.' });
  expect(detailsOf(status)).toEqual([errorInfo(code)]);
});

it('the error OVERLOADED becomes RESOURCE_EXHAUSTED, with the delay before a retry', () => {
  const status = errorStatus(new AssentError('OVERLOADED', 'Too many.'), never);
  expect(status.code).toBe(8);
  expect(detailsOf(status)).toEqual([
    errorInfo('OVERLOADED'),
    { '@type': 'google.rpc.RetryInfo', retryDelay: expect.stringMatching(/^0\.\d+s$/) },
  ]);
});

it('the error OVERLOADED names the time before a retry in RetryInfo, and in the trailer that clients of gRPC obey', () => {
  const status = errorStatus(new AssentError('OVERLOADED', 'Too many.', { retryAfterMs: 1_250 }), never);
  expect(detailsOf(status)).toContainEqual({ '@type': 'google.rpc.RetryInfo', retryDelay: '1.250s' });
  expect(errorTrailers(status)).toMatchObject({ 'grpc-status': '8', 'grpc-retry-pushback-ms': '1250' });
  const other = errorStatus(new AssentError('DATABASE_UNAVAILABLE', 'Away.'), never);
  expect(errorTrailers(other)).not.toHaveProperty('grpc-retry-pushback-ms');
});

it('the error INVALID_ARGUMENT names the field', () => {
  const status = errorStatus(invalidArgument('checks[3].permission', 'must not be empty.'), never);
  expect(status.code).toBe(3);
  const fieldViolations = [{ field: 'checks[3].permission', description: 'must not be empty.' }];
  expect(detailsOf(status)).toEqual([{ '@type': 'google.rpc.BadRequest', fieldViolations }]);
});

it('any other error becomes INTERNAL, and its text goes only to the log', () => {
  const seen: unknown[] = [];
  const error = new Error('SELECT secret FROM users at db.internal');
  const status = errorStatus(error, (defect) => seen.push(defect));
  expect(status.code).toBe(13);
  expect(detailsOf(status)).toEqual([errorInfo('INTERNAL')]);
  expect(status.message).not.toMatch(/SELECT|secret|db/);
  expect(seen).toEqual([error]);
});

it('the error INVALID_ARGUMENT without a field begins with the problem', () => {
  const status = errorStatus(invalidArgument('', 'the deadline must be 1 to 60000 ms.'), never);
  expect(status.message).toBe('the deadline must be 1 to 60000 ms.');
});
