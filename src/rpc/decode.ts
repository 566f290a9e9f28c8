/** Decodes the requests of every protocol. Each check before decoding is written in one place, here. */
import {
  type DescField,
  type DescMessage,
  fromBinary,
  fromJson,
  type JsonValue,
  type Message,
} from '@bufbuild/protobuf';
import { BatchCheckPermissionsRequestSchema } from '../../gen/assent/auth/v1/auth_service_pb.ts';
import { AssentError, invalidArgument, undecodable } from '../errors.ts';
import { checkBatchSize, MAX_CHECKS } from './request.ts';
import { countFields, countJson, isShort, membersOf } from './request-shape.ts';

/** Unknown fields are dropped: to keep them takes several times as long as to skip them. */
const BINARY_OPTIONS = { readUnknownFields: false };

/** A misspelt `organizationId` must not be ignored: the check would be about the token's active organization. */
const JSON_OPTIONS = { ignoreUnknownFields: false };

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** A list whose length is checked before the message is decoded. */
interface ListRule {
  readonly list: DescField;
  /** The length from which on no list is accepted; longer ones are not counted to their end. */
  readonly tooMany: number;
  /** @throws {AssentError} unless the list may have this length. */
  readonly check: (length: number) => void;
}

/** By the message. */
const LIST_RULES: ReadonlyMap<DescMessage, ListRule> = new Map([
  [
    BatchCheckPermissionsRequestSchema,
    { list: BatchCheckPermissionsRequestSchema.field.checks, tooMany: MAX_CHECKS + 1, check: checkBatchSize },
  ],
]);

/**
 * Decodes a request from protobuf's binary form.
 * @throws {AssentError} by {@link LIST_RULES} or for too many values; another error when the bytes are no such message.
 */
export function decodeBinary(schema: DescMessage, bytes: Uint8Array): Message {
  const rule = LIST_RULES.get(schema);
  if (rule !== undefined) rule.check(countFields(schema, bytes, rule.list.number, rule.tooMany));
  else if (!isShort(bytes)) countFields(schema, bytes, NO_FIELD, 1);
  return fromBinary(schema, bytes, BINARY_OPTIONS);
}

/** No field has this number. */
const NO_FIELD = 0;

/**
 * Decodes a request from protobuf's JSON form.
 * @throws {AssentError} INVALID_ARGUMENT, with the field's name where it is known and never with its value.
 */
export function decodeJson(schema: DescMessage, bytes: Uint8Array): Message {
  try {
    const rule = LIST_RULES.get(schema);
    // guard: shape-of-json
    const shape = countJson(bytes, rule?.tooMany ?? Number.POSITIVE_INFINITY);
    if (rule !== undefined && shape.listed >= rule.tooMany) rule.check(shape.listed);
    const json = JSON.parse(UTF8.decode(bytes)) as JsonValue;
    if (rule !== undefined) {
      const length = elements(json, rule.list.jsonName);
      if (length !== null) rule.check(length);
    }
    // JSON.parse keeps one member of each name: a text with more members than its value has a name twice.
    if (membersOf(json) !== shape.members) throw new Error('a member stands twice');
    return fromJson(schema, json, JSON_OPTIONS);
  } catch (error) {
    if (error instanceof AssentError) throw error;
    throw (error instanceof Error ? jsonProblem(error.message) : null) ?? undecodable(error);
  }
}

/** The length of a list in a JSON object; null when there is no such list. */
function elements(json: JsonValue, name: string): number | null {
  if (json === null || typeof json !== 'object' || Array.isArray(json)) return null;
  const value = json[name];
  return Array.isArray(value) ? value.length : null;
}

/** The field that an error of protobuf-es about JSON names, and the problem without the value. */
function jsonProblem(message: string): AssentError | null {
  const field = /^cannot decode field [\w.]+\.(\w+) from JSON: ([^,]*)/.exec(message);
  if (field !== null) return invalidArgument(field[1] ?? '', `is not valid: ${field[2]}.`);
  const oneof = /^cannot decode oneof [\w.]+\.(\w+) from JSON: oneof set multiple times by (\w+ and \w+)$/.exec(
    message,
  );
  if (oneof !== null) return invalidArgument(oneof[1] ?? '', `set only one of ${oneof[2]}.`);
  const unknown = /^cannot decode message [\w.]+ from JSON: key "(\w{1,64})" is unknown$/.exec(message);
  return unknown === null ? null : invalidArgument(unknown[1] ?? '', 'is not a field of this message.');
}
