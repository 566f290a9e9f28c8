/**
 * The shape of an encoded request, counted in one pass before anything is decoded. A decoder makes an object of every value:
 * 4 MiB of the shortest values hold the event loop for 0.2 to 10 s, and a count of them for less than a millisecond. Pure.
 */
import type { DescMessage } from '@bufbuild/protobuf';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { invalidArgument } from '../errors.ts';

/**
 * The values of the largest request: 500 checks with 16 values each. A check has five fields; the rest is for fields of later
 * versions.
 */
export const MAX_VALUES = 8_000;

/** The deepest nesting of a request in JSON. The API's own messages nest three deep. */
export const MAX_DEPTH = 32;

/**
 * The characters of a request in JSON that stand outside of its texts, or are escapes in them. JSON.parse takes 20 ns for each:
 * 4 MiB of escapes or digits hold the event loop for 40 ms.
 */
export const MAX_MARKS = 262_144;

const TOO_MANY_MARKS = `The request has more than ${MAX_MARKS} characters outside of its texts or escapes in them.`;

/** Whether a message is so short that it cannot have more than {@link MAX_VALUES}: each has a byte at least. */
export function isShort(bytes: Uint8Array): boolean {
  return bytes.length <= MAX_VALUES;
}

/**
 * Counts the fields of a message in protobuf's binary form, those of its messages and of unknown groups included.
 * @param list The number of a field of the message itself.
 * @param tooMany The occurrences of that field at which the count ends: the request is refused then.
 * @returns How often that field occurs.
 * @throws {AssentError} INVALID_ARGUMENT beyond {@link MAX_VALUES}; another error when the bytes are no message.
 */
export function countFields(schema: DescMessage, bytes: Uint8Array, list: number, tooMany: number): number {
  const reader = new BinaryReader(bytes);
  let values = 0;
  let occurrences = 0;
  const count = (message: DescMessage, end: number): void => {
    while (reader.pos < end && occurrences < tooMany) {
      const [number, wireType] = reader.tag();
      values += 1;
      if (values > MAX_VALUES) throw tooManyValues();
      // The tags of a group stand alone: its fields are counted as if they were the message's.
      if (wireType === WireType.StartGroup || wireType === WireType.EndGroup) continue;
      const inner = wireType === WireType.LengthDelimited ? innerMessage(message, number) : null;
      if (inner === null) reader.skip(wireType, number);
      else {
        const length = reader.uint32();
        if (reader.pos + length > reader.len) throw new RangeError('the message ends within a field');
        count(inner, reader.pos + length);
      }
      if (number === list && message === schema) occurrences += 1;
    }
  };
  count(schema, reader.len);
  return occurrences;
}

/** The message of a field that holds messages; null for another field. */
function innerMessage(message: DescMessage, number: number): DescMessage | null {
  for (const field of message.fields) if (field.number === number) return field.message ?? null;
  return null;
}

/** The shape of a text of JSON. It says nothing about whether the text is JSON. */
export interface JsonShape {
  /** Members of all objects, repeated names included. */
  readonly members: number;
  /** Objects directly in lists of the outermost object. */
  readonly listed: number;
}

/**
 * Counts the values of a text of JSON.
 * @param tooMany The number of objects in lists of the outermost object at which the count ends: the request is refused then.
 * @throws {AssentError} INVALID_ARGUMENT beyond {@link MAX_VALUES}, {@link MAX_DEPTH} or {@link MAX_MARKS}.
 */
export function countJson(bytes: Uint8Array, tooMany: number): JsonShape {
  let values = 0;
  let members = 0;
  let listed = 0;
  let depth = 0;
  let marks = 0;
  for (let index = 0; index < bytes.length && listed < tooMany; index += 1) {
    marks += 1;
    switch (bytes[index]) {
      case QUOTE:
        for (index += 1; index < bytes.length && bytes[index] !== QUOTE; index += 1) {
          if (bytes[index] !== BACKSLASH) continue;
          index += 1;
          marks += 1;
        }
        break;
      case COLON:
        members += 1;
        break;
      case COMMA:
        values += 1;
        break;
      case OPEN_OBJECT:
        if (depth === 2) listed += 1;
        values += 1;
        depth += 1;
        break;
      case OPEN_ARRAY:
        values += 1;
        depth += 1;
        break;
      case CLOSE_OBJECT:
      case CLOSE_ARRAY:
        depth -= 1;
        break;
    }
    if (values > MAX_VALUES) throw tooManyValues();
    if (depth > MAX_DEPTH) throw invalidArgument('', `The request is nested more than ${MAX_DEPTH} deep.`);
    if (marks > MAX_MARKS) throw invalidArgument('', TOO_MANY_MARKS);
  }
  return { members, listed };
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** The members of all objects in a parsed value. It has at most {@link MAX_DEPTH} levels. */
export function membersOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const children: readonly unknown[] = Array.isArray(value) ? value : Object.values(value);
  let members = Array.isArray(value) ? 0 : children.length;
  for (const child of children) members += membersOf(child);
  return members;
}

function tooManyValues(): Error {
  return invalidArgument('', `The request has more than ${MAX_VALUES} values.`);
}
