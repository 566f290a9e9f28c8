/**
 * Connect and gRPC-Web over HTTP: where a request names its codec, deadline and compression, and the form of answers and
 * errors. The negotiation and the bytes of errors come from connect's own code.
 */
import { createRegistry } from '@bufbuild/protobuf';
import { base64Decode } from '@bufbuild/protobuf/wire';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { type Code as ConnectCode, ConnectError } from '@connectrpc/connect';
import { encodeEnvelope } from '@connectrpc/connect/protocol';
import { codeToHttpStatus, errorToJsonBytes, parseContentType } from '@connectrpc/connect/protocol-connect';
import { parseContentType as parseWebContentType, trailerFlag } from '@connectrpc/connect/protocol-grpc-web';
import { file_google_rpc_error_details } from '../../../gen/google/rpc/error_details_pb.ts';
import { invalidArgument } from '../../errors.ts';
import { Code, type ErrorStatus } from '../../rpc/status.ts';
import { CODECS, type Codec } from '../codecs.ts';
import type { WaitingCall } from '../compression.ts';
import { parseTimeout } from '../deadline.ts';
import { MORE_MESSAGES, NO_MESSAGE, RefusedCall, tooLarge } from '../errors.ts';
import { FrameReader } from '../grpc/framing.ts';
import { errorTrailers, OK_TRAILERS } from '../grpc/status.ts';
import { type Negotiated, negotiate } from './compression.ts';

/** A request as far as its head goes. */
export interface RequestHead {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  header(name: string): string | undefined;
}

/** A call whose message comes. */
export interface IncomingCall extends WaitingCall {
  /** The pieces of the body. */
  body(): AsyncIterable<Uint8Array>;
}

/** An answer in HTTP. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** A protocol, and the codec that one request speaks in it. */
export interface RequestProtocol {
  readonly codec: Codec;
  /** The caller's deadline in milliseconds; null without one, NaN when it is malformed. */
  readonly timeoutMs: number | null;
  /**
   * Reads the message of a request.
   * @throws {RefusedCall} when there is not exactly one, or it is too large or compressed in an unknown way.
   */
  read(call: IncomingCall, maxBytes: number): Promise<Uint8Array>;
  answer(message: Uint8Array): Promise<HttpAnswer>;
  fail(status: ErrorStatus, metadata: Readonly<Record<string, string>>): HttpAnswer;
}

/** The content types that are taken, for a caller that sends another one. */
export const ACCEPTED_TYPES = [
  'application/json',
  'application/proto',
  'application/grpc-web+proto',
  'application/grpc-web+json',
];

/** Finds the protocol of a POST by its content type, and Connect's GET by its query; null when it is none of them. */
export function protocolOf(head: RequestHead): RequestProtocol | null {
  if (head.method === 'GET') return connectGet(head);
  const type = plainType(head.header('content-type') ?? '');
  const connect = parseContentType(type);
  if (connect !== undefined) return connect.stream ? null : connectPost(head, codecOf(connect.binary));
  const web = parseWebContentType(type);
  return web === undefined || web.text ? null : grpcWeb(head, codecOf(web.binary));
}

/**
 * A content type in the only form that connect reads. Spaces around the semicolon and quotes around a parameter mean nothing
 * (RFC 9110, section 5.6.6).
 */
function plainType(text: string): string {
  const parts = text.split(';').map((part) => part.trim().replace(/^(charset=)"([^"]*)"$/i, '$1$2'));
  return parts.join('; ');
}

function codecOf(binary: boolean): Codec {
  return binary ? CODECS.proto : CODECS.json;
}

/** Connect's timeout; connect itself quotes a malformed one in its error. */
function connectTimeout(head: RequestHead): number | null {
  const text = head.header('connect-timeout-ms');
  if (text === undefined) return null;
  return /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
}

function connectPost(head: RequestHead, codec: Codec): RequestProtocol {
  // Names of compressions have no case (RFC 9110, section 8.4.1).
  const encoding = head.header('content-encoding')?.toLowerCase();
  const negotiated = negotiate(encoding, head.header('accept-encoding'), 'accept-encoding');
  return {
    ...connectAnswers(codec, negotiated),
    codec,
    timeoutMs: connectTimeout(head),
    read: async (call, maxBytes) => {
      // Refused before the message comes: an unknown compression, or a size that is too large.
      negotiated.check();
      if (Number(head.header('content-length') ?? 0) > maxBytes) throw tooLarge(maxBytes);
      const pieces: Uint8Array[] = [];
      let size = 0;
      for await (const piece of call.body()) {
        size += piece.byteLength;
        if (size > maxBytes) throw tooLarge(maxBytes);
        pieces.push(piece);
      }
      return negotiated.decompress(Buffer.concat(pieces), maxBytes, call);
    },
  };
}

/** The parameters of a GET (https://connectrpc.com/docs/protocol#unary-get-request). */
const PARAMETERS = ['connect', 'encoding', 'base64', 'compression', 'message'];

function connectGet(head: RequestHead): RequestProtocol | null {
  const query = new URLSearchParams(head.url.split('?').slice(1).join('?'));
  const encoding = query.get('encoding');
  if (encoding !== 'proto' && encoding !== 'json') return null;
  const compression = query.get('compression') ?? undefined;
  const negotiated = negotiate(compression, head.header('accept-encoding'), 'accept-encoding');
  return {
    ...connectAnswers(CODECS[encoding], negotiated),
    codec: CODECS[encoding],
    timeoutMs: connectTimeout(head),
    read: async (call, maxBytes) => {
      // As with a key of JSON that stands twice: a proxy may have looked at the other one.
      if (PARAMETERS.some((name) => query.getAll(name).length > 1)) {
        throw invalidArgument('', 'a parameter of the query stands twice.');
      }
      const message = query.get('message') ?? '';
      const bytes = query.get('base64') === '1' ? base64Decode(message) : Buffer.from(message);
      return negotiated.decompress(bytes, maxBytes, call);
    },
  };
}

function connectAnswers(codec: Codec, negotiated: Negotiated): Pick<RequestProtocol, 'answer' | 'fail'> {
  return {
    answer: async (message) => {
      const compressed = await negotiated.compress(message);
      const headers = { 'content-type': `application/${codec.name}` };
      if (compressed === null) return { status: 200, headers, body: message };
      return { status: 200, headers: { ...headers, 'content-encoding': compressed.name }, body: compressed.bytes };
    },
    fail: (status, metadata) => ({
      status: codeToHttpStatus(status.code as ConnectCode),
      headers: { 'content-type': 'application/json', ...retryAfter(status), ...metadata },
      body: errorToJsonBytes(connectError(status), { alwaysEmitImplicit: true }),
    }),
  };
}

/** `retry-after` has no unit below a second. */
function retryAfter({ retryAfterMs }: ErrorStatus): Readonly<Record<string, string>> {
  return retryAfterMs === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfterMs / 1_000)) };
}

const registry = createRegistry(file_google_rpc_error_details);

/** An error with its details as messages, which JSON then shows readable beside their bytes. */
function connectError({ code, message, details }: ErrorStatus): ConnectError {
  const error = new ConnectError(message, code as ConnectCode);
  for (const detail of details) {
    const value = anyUnpack(detail, registry);
    const desc = value === undefined ? undefined : registry.getMessage(value.$typeName);
    if (value !== undefined && desc !== undefined) error.details.push({ desc, value });
  }
  return error;
}

const COMPRESSED = 1;

function grpcWeb(head: RequestHead, codec: Codec): RequestProtocol {
  const timeout = head.header('grpc-timeout');
  const negotiated = negotiate(
    head.header('grpc-encoding'),
    head.header('grpc-accept-encoding'),
    'grpc-accept-encoding',
  );
  const headers = { 'content-type': `application/grpc-web+${codec.name}` };
  return {
    codec,
    timeoutMs: timeout === undefined ? null : (parseTimeout(timeout) ?? Number.NaN),
    read: async (call, maxBytes) => {
      negotiated.check();
      const frames = new FrameReader(maxBytes);
      let message: Buffer | null = null;
      for await (const piece of call.body()) {
        frames.push(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength));
        message ??= frames.next();
        if (message !== null && frames.pending) throw new RefusedCall(Code.UNIMPLEMENTED, MORE_MESSAGES);
      }
      if (message === null) {
        throw frames.pending
          ? new Error('the request ends within a message')
          : new RefusedCall(Code.UNIMPLEMENTED, NO_MESSAGE);
      }
      return frames.compressed ? negotiated.decompress(message, maxBytes, call) : message;
    },
    answer: async (message) => {
      const compressed = await negotiated.compress(message);
      const envelope = compressed === null ? encodeEnvelope(0, message) : encodeEnvelope(COMPRESSED, compressed.bytes);
      return {
        status: 200,
        headers: compressed === null ? headers : { ...headers, 'grpc-encoding': compressed.name },
        body: Buffer.concat([envelope, trailerFrame(OK_TRAILERS)]),
      };
    },
    fail: (status, metadata) => ({ status: 200, headers, body: trailerFrame(errorTrailers(status, metadata)) }),
  };
}

function trailerFrame(trailers: ReturnType<typeof errorTrailers>): Uint8Array {
  const lines = Object.entries(trailers).map(([name, value]) => `${name}: ${String(value)}\r\n`);
  return encodeEnvelope(trailerFlag, Buffer.from(lines.join('')));
}
