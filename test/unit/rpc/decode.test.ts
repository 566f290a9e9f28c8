import { create, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  BatchCheckPermissionsRequestSchema,
  CheckPermissionRequestSchema,
} from '../../../gen/assent/auth/v1/auth_service_pb.ts';
import { decodeBinary, decodeJson } from '../../../src/rpc/decode.ts';

const EMPTY_CHECK = [0x0a, 0x00];
const emptyChecks = (count: number): number[] => Array.from({ length: count }, () => EMPTY_CHECK).flat();
const batch = (bytes: readonly number[]) =>
  decodeBinary(BatchCheckPermissionsRequestSchema, Uint8Array.from(bytes)) as { checks?: readonly unknown[] };
/** A field of length-delimited bytes that ends too soon: a decoder that reads it fails. */
const CUT_SHORT = [0x0a, 0x05];

describe('the decoder of batches', () => {
  it('a batch with the greatest number of checks is decoded', () => {
    expect(batch(EMPTY_CHECK).checks).toHaveLength(1);
    expect(batch(emptyChecks(500)).checks).toHaveLength(500);
  });

  it('a batch with too many checks is refused without being decoded', () => {
    const error = expect.objectContaining({
      code: 'INVALID_ARGUMENT',
      message: 'checks: must have 1 to 500 checks; this request has more.',
      violations: [expect.objectContaining({ field: 'checks' })],
    });
    expect(() => batch([...emptyChecks(501), ...CUT_SHORT])).toThrow(error);
    expect(() => batch([...emptyChecks(500), ...CUT_SHORT])).not.toThrow(error);
    expect(() => batch([])).toThrow('this request has none.');
  });

  it('a batch is measured by its checks alone, not by its unknown fields', () => {
    const unknown = Array.from({ length: 1_000 }, () => [0x7a, 0x00]).flat();
    expect(batch([...unknown, ...EMPTY_CHECK]).checks).toHaveLength(1);
  });
});

it('a decoded message has no unknown fields', () => {
  const known = toBinary(CheckPermissionRequestSchema, create(CheckPermissionRequestSchema, { permission: 'a:b' }));
  const check = decodeBinary(CheckPermissionRequestSchema, Uint8Array.of(...known, 0x78, 0x01));
  expect(check).toMatchObject({ permission: 'a:b' });
  expect(check).not.toHaveProperty('$unknown');
});

describe('the decoder of batches in JSON', () => {
  const json = (checks: number): Uint8Array => Buffer.from(`{"checks":[${Array(checks).fill('{"x":1}').join()}]}`);

  it('a batch in JSON with too many checks is refused before any check is decoded', () => {
    expect(() => decodeJson(BatchCheckPermissionsRequestSchema, json(501))).toThrow('this request has more');
    expect(() => decodeJson(BatchCheckPermissionsRequestSchema, json(500))).toThrow('is not a field');
    expect(() => decodeJson(BatchCheckPermissionsRequestSchema, json(0))).toThrow('this request has none');
  });
});

it('a key that stands twice in JSON is refused', () => {
  const twice = Buffer.from('{"permission":"a:b","permission":"c:d"}');
  expect(() => decodeJson(CheckPermissionRequestSchema, twice)).toThrow('not a valid message');
});
