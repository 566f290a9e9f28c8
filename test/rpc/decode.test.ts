import { create, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  BatchCheckPermissionsRequestSchema,
  CheckPermissionRequestSchema,
} from '../../gen/assent/auth/v1/auth_service_pb.ts';
import { decodeRequest } from '../../src/rpc/decode.ts';

const EMPTY_CHECK = [0x0a, 0x00];
const emptyChecks = (count: number): number[] => Array.from({ length: count }, () => EMPTY_CHECK).flat();
const batch = (bytes: readonly number[]) =>
  decodeRequest(BatchCheckPermissionsRequestSchema, Uint8Array.from(bytes)) as { checks?: readonly unknown[] };
/** A field of length-delimited bytes that ends too soon: whoever decodes as far as this fails on it. */
const CUT_SHORT = [0x0a, 0x05];

describe('a batch', () => {
  it('of as many checks as there may be is decoded', () => {
    expect(batch(EMPTY_CHECK).checks).toHaveLength(1);
    expect(batch(emptyChecks(500)).checks).toHaveLength(500);
  });

  it('of too many is refused without being decoded', () => {
    const error = expect.objectContaining({
      code: 'INVALID_ARGUMENT',
      message: 'checks: must have 1 to 500 checks; this request has more.',
      violations: [expect.objectContaining({ field: 'checks' })],
    });
    expect(() => batch([...emptyChecks(501), ...CUT_SHORT])).toThrow(error);
    expect(() => batch([...emptyChecks(500), ...CUT_SHORT])).not.toThrow(error);
    expect(() => batch([])).toThrow('this request has none.');
  });

  it('is not one of what else it holds', () => {
    const unknown = Array.from({ length: 1_000 }, () => [0x7a, 0x00]).flat();
    expect(batch([...unknown, ...EMPTY_CHECK]).checks).toHaveLength(1);
  });
});

it('keeps no field that is not known', () => {
  const known = toBinary(CheckPermissionRequestSchema, create(CheckPermissionRequestSchema, { permission: 'a:b' }));
  const check = decodeRequest(CheckPermissionRequestSchema, Uint8Array.of(...known, 0x78, 0x01));
  expect(check).toMatchObject({ permission: 'a:b' });
  expect(check).not.toHaveProperty('$unknown');
});
