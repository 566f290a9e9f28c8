/** gRPC on streams of HTTP/2: finds the method of a call, reads its messages and passes it through the pipeline. */
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Message } from '@bufbuild/protobuf';
import { Code } from '../../rpc/status.ts';
import { Arrivals } from '../arrivals.ts';
import type { Outcome } from '../call-context.ts';
import { CODECS, type Codec } from '../codecs.ts';
import { dropHeaders } from '../drop-headers.ts';
import { HALF_MESSAGE, MORE_MESSAGES, NO_MESSAGE, RefusedCall } from '../errors.ts';
import type { Method, StreamingMethod, UnaryMethod } from '../methods.ts';
import type { AdmittedCall, Pipeline } from '../pipeline.ts';
import { inflate, knownCompression } from './compressed-message.ts';
import { FrameReader, frameOf } from './framing.ts';
import { ServerCall, type ServerCallObserver } from './server-call.ts';

export interface GrpcHandler {
  /** Answers one stream; the caller has to have looked that {@link codecOf} knows its content type. */
  serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void;
  /** Ends the streaming calls, which would go on for ever, with UNAVAILABLE. */
  endStreams(): void;
}

/** The codec of a content type of gRPC; null when it is none. gRPC-Web is not gRPC. */
export function codecOf(contentType: string | undefined): Codec | null {
  if (contentType === 'application/grpc') return CODECS.proto;
  const codec = /^application\/grpc(?:\+(proto|json))?\s*(?:;|$)/i.exec(contentType ?? '');
  if (codec === null) return null;
  return codec[1]?.toLowerCase() === 'json' ? CODECS.json : CODECS.proto;
}

/** Creates the handler for these methods. */
export function createGrpcHandler(
  pipeline: Pipeline,
  methods: readonly Method[],
  arrivals: Arrivals = new Arrivals(),
): GrpcHandler {
  const { onDefect } = pipeline;
  const streaming = new Set<ServerCall>();
  const unknown: ServerCallObserver = { onRefused: () => {}, onDefect };
  const routes = new Map(
    methods.map((method) => {
      // A refused call came to no decoded request, so it took no time.
      const observer: ServerCallObserver = { onRefused: (code) => pipeline.refused(method, code, 0), onDefect };
      return [method.path, { method, observer }] as const;
    }),
  );
  return {
    serve: (stream, headers) => {
      if (headers.expect !== undefined) tellToContinue(stream);
      const codec = codecOf(headers['content-type']) ?? CODECS.proto;
      const route = headers[':method'] === 'POST' ? routes.get(headers[':path'] ?? '') : undefined;
      const call = new ServerCall(stream, headers, codec.grpcContentType, route?.observer ?? unknown);
      if (route === undefined) {
        call.connection.refused();
        call.fail(new RefusedCall(Code.UNIMPLEMENTED, 'There is no such method.'));
        return;
      }
      const { method } = route;
      if (method.kind === 'unary') serveUnary(pipeline, method, codec, call, arrivals);
      else serveStreaming(pipeline, method, codec, call, streaming, arrivals);
    },
    endStreams: () => {
      for (const call of streaming) call.fail(new RefusedCall(Code.UNAVAILABLE, 'The service is stopping.'));
    },
  };
}

/** Answers `expect: 100-continue`, which no gRPC client sends but a proxy may. */
function tellToContinue(stream: ServerHttp2Stream): void {
  try {
    stream.additionalHeaders({ ':status': 100 });
  } catch {
    // The caller has reset the stream.
  }
}

function serveUnary(pipeline: Pipeline, method: UnaryMethod, codec: Codec, call: ServerCall, arrivals: Arrivals): void {
  const admitted = admit(pipeline, method, call);
  if (admitted === null) return;
  call.awaitMessage(arrivals);
  readOneMessage(call, method.maxRequestBytes, (message) => {
    call.handled();
    const outcome = admitted.run(
      () => codec.decode(method.input, message),
      (response) => frameOf(codec.encode(method.output, response)),
    );
    if (outcome instanceof Promise) {
      outcome.then((late) => answer(call, late)).catch((error: unknown) => call.fail(error));
    } else answer(call, outcome);
  });
}

/** Authenticates the caller and starts its deadline; null when that has ended the call. */
function admit<Kind extends Method>(pipeline: Pipeline, method: Kind, call: ServerCall): AdmittedCall<Kind> | null {
  const admitted = pipeline.admit(method, call);
  if (!admitted.ok) {
    call.endWith(admitted.status);
    dropHeaders(call.headers);
    return null;
  }
  call.observeBy(admitted);
  call.startDeadline();
  if (!call.connection.known) dropHeaders(call.headers);
  return call.open ? admitted : null;
}

function answer(call: ServerCall, outcome: Outcome<Buffer>): void {
  if (outcome.ok) call.reply(outcome.answer);
  else call.endWith(outcome.status);
}

function serveStreaming(
  pipeline: Pipeline,
  method: StreamingMethod,
  codec: Codec,
  call: ServerCall,
  streaming: Set<ServerCall>,
  arrivals: Arrivals,
): void {
  const admitted = admit(pipeline, method, call);
  if (admitted === null) return;
  streaming.add(call);
  call.stream.on('close', () => streaming.delete(call));
  const begin = (): ((message: Buffer) => void) => {
    call.handled();
    if (method.open) call.connection.unbound(call.stream);
    const receive = openStream(admitted, method, codec, call);
    return (message) => receive(() => codec.decode(method.input, message));
  };
  if (method.kind === 'bidi_streaming') attempt(call, () => readMessages(call, method.maxRequestBytes, begin()));
  else {
    call.awaitMessage(arrivals);
    readOneMessage(call, method.maxRequestBytes, (message) => begin()(message));
  }
}

function openStream(
  admitted: AdmittedCall<StreamingMethod>,
  { output }: StreamingMethod,
  codec: Codec,
  call: ServerCall,
): (decode: () => Message) => void {
  return admitted.open((response) => frameOf(codec.encode(output, response)), {
    write: (frame) => call.write(frame),
    end: (refusal) => {
      if (refusal === null) call.end();
      else call.endWith(refusal.status);
    },
    onClose: (listener) => {
      call.stream.once('close', listener);
    },
  });
}

/** Calls `then` with the message once the caller has sent it and nothing else. Refuses the call otherwise. */
function readOneMessage(call: ServerCall, maxBytes: number, then: (message: Buffer) => void): void {
  const { stream } = call;
  const frames = new FrameReader(maxBytes);
  let message: Buffer | null = null;

  const read = (piece: Buffer): void => {
    frames.push(piece);
    message ??= frames.next();
    // Refused at once and not at the end: bytes after the message could go on for ever.
    if (message !== null && frames.pending) throw new RefusedCall(Code.UNIMPLEMENTED, MORE_MESSAGES);
    if (frames.compressed) knownCompression(call);
  };
  const complete = (): void => {
    if (message === null) {
      throw frames.pending
        ? new RefusedCall(Code.INTERNAL, HALF_MESSAGE)
        : new RefusedCall(Code.UNIMPLEMENTED, NO_MESSAGE);
    }
    // Decompressed only now: a caller that does not end its stream would have the service keep the larger message.
    if (frames.compressed) withInflated(call, message, maxBytes, then);
    else then(message);
  };
  stream.on('data', (piece: Buffer) => attempt(call, () => read(piece)));
  stream.on('end', () => attempt(call, complete));
}

/** Calls `then` with the decompressed message, at once where it is small. */
function withInflated(call: ServerCall, payload: Buffer, maxBytes: number, then: (message: Buffer) => void): void {
  const message = inflate(call, payload, maxBytes);
  if (!(message instanceof Promise)) then(message);
  else {
    message.then(
      (late) => attempt(call, () => then(late)),
      (error: unknown) => call.fail(error),
    );
  }
}

/**
 * Passes on each message of a stream, only as fast as the caller reads the answers: one piece may hold hundreds of requests
 * whose answers have 20 KB each. Ends the call when the caller has ended its stream.
 */
function readMessages(call: ServerCall, maxBytes: number, receive: (message: Buffer) => void): void {
  const { stream } = call;
  const frames = new FrameReader(maxBytes);
  let ended = false;
  /** Whether a message is being decompressed. Those after it wait, so that their order stays. */
  let inflating = false;
  const pass = (): void =>
    attempt(call, () => {
      while (call.open && !stream.writableNeedDrain && !inflating) {
        const message = frames.next();
        if (message === null) {
          if (ended && frames.pending) throw new RefusedCall(Code.INTERNAL, HALF_MESSAGE);
          if (ended) call.end();
          return;
        }
        if (frames.compressed) passInflated(message);
        else receive(message);
      }
    });
  const passInflated = (payload: Buffer): void => {
    inflating = true;
    stream.pause();
    withInflated(call, payload, maxBytes, (message) => {
      inflating = false;
      stream.resume();
      receive(message);
      pass();
    });
  };
  stream.on('data', (piece: Buffer) => {
    frames.push(piece);
    pass();
  });
  stream.on('drain', pass);
  stream.on('end', () => {
    ended = true;
    pass();
  });
}

function attempt(call: ServerCall, step: () => void): void {
  if (!call.open) return;
  try {
    step();
  } catch (error) {
    call.fail(error);
  }
}
