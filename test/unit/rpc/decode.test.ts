import { create, type DescMessage, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  BatchCheckPermissionsRequestSchema,
  CheckPermissionRequestSchema,
} from '../../../gen/assent/auth/v1/auth_service_pb.ts';
import { decodeBinary, decodeJson } from '../../../src/rpc/decode.ts';
import { MAX_DEPTH, MAX_MARKS, MAX_VALUES } from '../../../src/rpc/request-shape.ts';

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
  const json = (checks: number, end = ']}'): Uint8Array =>
    Buffer.from(`{"checks":[${Array(checks).fill('{"x":1}').join()}${end}`);

  it('a batch in JSON with too many checks is refused without being parsed', () => {
    expect(() => decodeJson(BatchCheckPermissionsRequestSchema, json(501, 'no JSON'))).toThrow('this request has more');
    expect(() => decodeJson(BatchCheckPermissionsRequestSchema, json(500, 'no JSON'))).toThrow('not a valid message');
  });

  it('a batch in JSON with too many checks that are no objects is refused', () => {
    const numbers = Buffer.from(`{"checks":[${Array(501).fill(1).join()}]}`);
    expect(() => decodeJson(BatchCheckPermissionsRequestSchema, numbers)).toThrow('this request has more');
  });

  it('a batch in JSON with too many checks is refused before any check is decoded', () => {
    expect(() => decodeJson(BatchCheckPermissionsRequestSchema, json(501))).toThrow('this request has more');
    expect(() => decodeJson(BatchCheckPermissionsRequestSchema, json(500))).toThrow('is not a field');
    expect(() => decodeJson(BatchCheckPermissionsRequestSchema, json(0))).toThrow('this request has none');
  });
});

describe('the decoder of JSON', () => {
  it.each([
    '{"permission":"a:b","permission":"c:d"}',
    '{"permission":"a:b","permissio\\u006e":"a:b"}',
    '{"platform":{"x":1,"x":1}}',
  ])('a key that stands twice is refused: %s', (twice) => {
    expect(() => decodeJson(CheckPermissionRequestSchema, Buffer.from(twice))).toThrow('not a valid message');
  });

  it('colons, commas and brackets in a text are no members and no values', () => {
    const permission = `a:b,${'{['.repeat(MAX_VALUES)}"\\`;
    const text = Buffer.from(JSON.stringify({ userId: 'u\\', permission }));
    expect(decodeJson(CheckPermissionRequestSchema, text)).toMatchObject({ permission });
  });

  it.each([
    ['values in a list', `{"x":[${'1,'.repeat(MAX_VALUES)}`, `more than ${MAX_VALUES} values`],
    ['members', `{${'"a":1,'.repeat(MAX_VALUES + 1)}`, `more than ${MAX_VALUES} values`],
    ['objects', `{"x":[${'{}'.repeat(MAX_VALUES)}`, `more than ${MAX_VALUES} values`],
    ['levels of lists', '['.repeat(MAX_DEPTH + 1), `more than ${MAX_DEPTH} deep`],
    ['levels of objects', '{"a":'.repeat(MAX_DEPTH + 1), `more than ${MAX_DEPTH} deep`],
    ['digits', '1'.repeat(MAX_MARKS + 1), `more than ${MAX_MARKS} characters`],
    ['spaces', ' '.repeat(MAX_MARKS + 1), `more than ${MAX_MARKS} characters`],
    ['escapes', `"${'\\n'.repeat(MAX_MARKS)}`, `more than ${MAX_MARKS} characters`],
  ])('a text with too many %s is refused without being parsed', (_, text, problem) => {
    // No text is whole: a parser would say that it is no JSON.
    expect(() => decodeJson(CheckPermissionRequestSchema, Buffer.from(text))).toThrow(problem);
  });

  it('the largest honest batch is decoded: 500 checks of every field, indented, with escapes', () => {
    const checks = Array.from({ length: 500 }, (_, index) => ({
      userId: `u${index}`.padEnd(100, '\u00e9'),
      organizationId: `o${index}`,
      permission: 'leave:approve',
      consistency: 'CONSISTENCY_FULL',
    }));
    const ascii = JSON.stringify({ checks }, null, 4).replaceAll('\u00e9', '\\u00e9');
    expect(decodeJson(BatchCheckPermissionsRequestSchema, Buffer.from(ascii))).toMatchObject({
      checks: { length: 500 },
    });
  });
});

describe('the decoder of binary messages', () => {
  const repeated = (field: readonly number[], count: number): Uint8Array => {
    return Uint8Array.from([...Array.from({ length: count }, () => field).flat(), ...CUT_SHORT]);
  };
  /** The fields within one check of a batch. */
  const inCheck = (fields: Uint8Array): Uint8Array => {
    const length = [(fields.length & 0x7f) | 0x80, ((fields.length >> 7) & 0x7f) | 0x80, fields.length >> 14];
    return Uint8Array.of(0x0a, ...length, ...fields);
  };
  const single: DescMessage = CheckPermissionRequestSchema;
  const batched: DescMessage = BatchCheckPermissionsRequestSchema;

  it.each([
    ['texts that are not UTF-8', single, repeated([0x2a, 1, 0xff], MAX_VALUES)],
    ['empty texts', single, repeated([0x2a, 0], MAX_VALUES)],
    ['messages', single, repeated([0x22, 0], MAX_VALUES)],
    ['unknown fields', single, repeated([0x78, 1], MAX_VALUES)],
    ['unknown groups', single, repeated([0x7b, 0x7c], MAX_VALUES / 2)],
    ['fields of one group', single, Uint8Array.of(0x7b, ...repeated([0x78, 1], MAX_VALUES))],
    ['texts within a check', batched, inCheck(repeated([0x2a, 0], MAX_VALUES))],
    ['messages within a check', batched, inCheck(repeated([0x22, 0], MAX_VALUES))],
  ])('too many %s are refused without being decoded', (_, schema, bytes) => {
    // The last field is cut short: a decoder would say that this is no message.
    expect(() => decodeBinary(schema, bytes)).toThrow(`more than ${MAX_VALUES} values`);
  });

  it('a message with the greatest number of values is decoded', () => {
    const bytes = repeated([0x2a, 0], MAX_VALUES).subarray(0, -CUT_SHORT.length);
    expect(decodeBinary(single, bytes)).toMatchObject({ permission: '' });
  });
});
