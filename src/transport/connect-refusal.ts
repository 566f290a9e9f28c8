/**
 * What connect refuses before a handler is asked, above all requests that it cannot decode, answered as the gRPC door
 * answers them: INVALID_ARGUMENT with BadRequest. Connect says INTERNAL of bad protobuf, and gives no details. Nothing of
 * the request is quoted but names of fields: it may hold a token.
 */
import { Code, ConnectError } from '@connectrpc/connect';
import {
  createAsyncIterable,
  encodeEnvelope,
  readAllBytes,
  type UniversalServerResponse,
} from '@connectrpc/connect/protocol';
import { codeToHttpStatus, errorFromJsonBytes, errorToJsonBytes } from '@connectrpc/connect/protocol-connect';
import { findTrailerError, setTrailerStatus } from '@connectrpc/connect/protocol-grpc';
import { trailerFlag, trailerParse, trailerSerialize } from '@connectrpc/connect/protocol-grpc-web';
import { type AssentError, invalidArgument, undecodable } from '../errors.ts';
import { errorStatus } from '../rpc/errors.ts';
import { connectError } from './connect-error.ts';
import { MAX_MESSAGE_BYTES } from './door.ts';
import { MORE_MESSAGES, NO_MESSAGE, tooLarge, UNKNOWN_COMPRESSION } from './refusal-texts.ts';

/** The answer to a refused call, and its google.rpc.Code: null when it is plain HTTP, as for an unknown content type. */
export interface Refusal {
  readonly answer: UniversalServerResponse;
  readonly code: number | null;
}

const ENVELOPE_HEAD_BYTES = 5;
/** A refusal is a line of text. */
const MAX_BYTES = 65_536;

/** The field that a message of protobuf-es about JSON names, and what is wrong with it, without its value. */
const inJson = (message: string): AssentError | null => {
  const field = /^cannot decode field [\w.]+\.(\w+) from JSON: ([^,]*)/.exec(message);
  if (field !== null) return invalidArgument(field[1] ?? '', `is not valid: ${field[2]}.`);
  const oneof = /^cannot decode oneof [\w.]+\.(\w+) from JSON: oneof set multiple times by (\w+ and \w+)$/.exec(
    message,
  );
  if (oneof !== null) return invalidArgument(oneof[1] ?? '', `set only one of ${oneof[2]}.`);
  const unknown = /^cannot decode message [\w.]+ from JSON: key "(\w{1,64})" is unknown$/.exec(message);
  return unknown === null ? null : invalidArgument(unknown[1] ?? '', 'is not a field of this message.');
};

/** What connect says in its own words, and in the request's, as the gRPC doors say it. */
const inOurWords = ({ code, rawMessage }: ConnectError): string | null => {
  if (code === Code.ResourceExhausted) return tooLarge(MAX_MESSAGE_BYTES);
  if (code !== Code.Unimplemented) return null;
  if (/^unknown compression /.test(rawMessage)) return UNKNOWN_COMPRESSION;
  if (/missing input message/.test(rawMessage)) return NO_MESSAGE;
  return /extra input message/.test(rawMessage) ? MORE_MESSAGES : null;
};

const explain = (error: ConnectError): ConnectError => {
  const { code, rawMessage } = error;
  const said = inOurWords(error);
  if (said !== null) return new ConnectError(said, code);
  if (code !== Code.Internal && code !== Code.InvalidArgument) return error;
  // A deadline that is no number, or too long.
  const deadline = /^timeout |timeout value/.test(rawMessage)
    ? invalidArgument('', 'the deadline must be 1 to 60000 ms.')
    : null;
  return connectError(errorStatus(deadline ?? inJson(rawMessage) ?? undecodable(error), () => {}));
};

/** Connect's error in the body of its own protocol; one that cannot be read, since it was compressed, was about JSON. */
const connectErrorIn = (bytes: Uint8Array): ConnectError => {
  const unread = new ConnectError('', Code.InvalidArgument);
  try {
    return errorFromJsonBytes(bytes, undefined, unread);
  } catch {
    return unread;
  }
};

const withBody = (answer: UniversalServerResponse, bytes: Uint8Array): UniversalServerResponse => ({
  ...answer,
  body: createAsyncIterable([bytes]),
});

/**
 * Explains connect's own refusal of a call.
 * @param contentType Of the request: it names the protocol that the answer is in.
 */
export const explainRefusal = async (contentType: string, answer: UniversalServerResponse): Promise<Refusal> => {
  const { header, trailer = new Headers() } = answer;
  const bytes = await readAllBytes(answer.body ?? createAsyncIterable<Uint8Array>([]), MAX_BYTES);
  const asItWas: Refusal = { answer: withBody(answer, bytes), code: null };
  if (/^application\/grpc(?!-web)/.test(contentType)) {
    const error = findTrailerError(trailer);
    if (error === undefined) return asItWas;
    const explained = explain(error);
    setTrailerStatus(trailer, explained);
    return { ...asItWas, code: explained.code };
  }
  if (bytes.length === 0) return asItWas;
  if (contentType.startsWith('application/grpc-web')) {
    const error = findTrailerError(trailerParse(bytes.subarray(ENVELOPE_HEAD_BYTES)));
    const explained = explain(error ?? new ConnectError('', Code.InvalidArgument));
    const changed = encodeEnvelope(trailerFlag, trailerSerialize(setTrailerStatus(new Headers(), explained)));
    return { answer: withBody(answer, changed), code: explained.code };
  }
  const explained = explain(connectErrorIn(bytes));
  const changed = errorToJsonBytes(explained, { alwaysEmitImplicit: true });
  header?.delete('content-encoding');
  header?.set('content-length', String(changed.byteLength));
  return { answer: withBody({ ...answer, status: codeToHttpStatus(explained.code) }, changed), code: explained.code };
};
