/** Calls on bare node:http2, for what no gRPC client would send. */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { create, toBinary } from '@bufbuild/protobuf';
import { CheckPermissionRequestSchema } from '../../../gen/assent/auth/v1/auth_service_pb.ts';

export const CHECK = '/assent.auth.v1.AuthService/CheckPermission';

/** A frame of gRPC. */
export const frame = (message: Uint8Array, flag = 0): Buffer => {
  const head = Buffer.alloc(5);
  head[0] = flag;
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
};

/** The message of a check. */
export const check = (permission: string): Uint8Array =>
  toBinary(CheckPermissionRequestSchema, create(CheckPermissionRequestSchema, { permission }));

export interface RawAnswer {
  readonly headers: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders | null;
  readonly body: Buffer;
  /** `grpc-status`, in the trailers or alone in the headers. */
  readonly status: string | undefined;
}

export interface RawRequest {
  readonly headers?: OutgoingHttpHeaders;
  /** Sent one by one. */
  readonly pieces?: readonly Uint8Array[];
  /** Leaves the request open. */
  readonly open?: boolean;
}

/** Opens a stream and sends what is asked for. */
export const send = (session: ClientHttp2Session, { headers = {}, pieces = [], open = false }: RawRequest) => {
  const stream = session.request(
    { ':method': 'POST', ':path': CHECK, 'content-type': 'application/grpc', te: 'trailers', ...headers },
    { endStream: false },
  );
  // What goes wrong shows in the answer, where one is waited for.
  stream.on('error', () => {});
  for (const piece of pieces) stream.write(piece);
  if (!open) stream.end();
  return stream;
};

/** The answer, once it has come as a whole. Rejects when the stream is reset before. */
export const answerOf = (stream: ClientHttp2Stream) =>
  new Promise<RawAnswer>((resolve, reject) => {
    let headers: IncomingHttpHeaders | null = null;
    let trailers: IncomingHttpHeaders | null = null;
    const body: Buffer[] = [];
    stream.on('response', (received) => {
      headers = received;
    });
    stream.on('trailers', (received) => {
      trailers = received;
    });
    stream.on('data', (piece: Buffer) => body.push(piece));
    stream.on('error', reject);
    stream.on('end', () => {
      if (headers === null) return;
      const status = String((trailers ?? headers)['grpc-status']);
      resolve({ headers, trailers, body: Buffer.concat(body), status });
    });
    stream.on('close', () => reject(new Error(`reset with ${stream.rstCode} before the end of an answer`)));
  });

/** Runs with a separate connection. */
export const withSession = async <Result>(
  url: string,
  use: (session: ClientHttp2Session) => Promise<Result>,
  options: Parameters<typeof connect>[1] = {},
): Promise<Result> => {
  const session = connect(url, options);
  session.on('error', () => {});
  try {
    return await use(session);
  } finally {
    session.destroy();
  }
};

/** One call on a separate connection. */
export const rawCall = (url: string, request: RawRequest): Promise<RawAnswer> =>
  withSession(url, (session) => answerOf(send(session, request)));
