/** The baseline on node:http2: CheckPermission on bare node:http2, decoded and encoded with protobuf-es, nothing decided. */
import { createServer } from 'node:http2';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  CheckPermissionRequestSchema,
  CheckPermissionResponseSchema,
} from '../../gen/assent/auth/v1/auth_service_pb.ts';
import { frame } from '../questions.ts';
import { answer } from './answer.ts';

const HEADERS = { ':status': 200, 'content-type': 'application/grpc' };
const TRAILERS = { 'grpc-status': '0' };

const server = createServer();
server.on('stream', (stream) => {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.on('end', () => {
    const [first = Buffer.alloc(0)] = chunks;
    const body = chunks.length === 1 ? first : Buffer.concat(chunks);
    const { permission } = fromBinary(CheckPermissionRequestSchema, body.subarray(5));
    if (permission === '') throw new Error('not a request');
    stream.respond(HEADERS, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers(TRAILERS));
    stream.end(frame(toBinary(CheckPermissionResponseSchema, answer())));
  });
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`listening 127.0.0.1:${typeof address === 'object' ? address?.port : ''}\n`);
});
