/** How messages are written: protobuf's binary form and its JSON, for every protocol. */
import { type DescMessage, type Message, toBinary, toJsonString } from '@bufbuild/protobuf';
import { decodeBinary, decodeJson } from '../rpc/decode.ts';

export interface Codec {
  readonly name: 'proto' | 'json';
  /** The content type of an answer of gRPC. */
  readonly grpcContentType: string;
  /** @throws {AssentError} or another error when the bytes are no such message. */
  decode(input: DescMessage, bytes: Uint8Array): Message;
  encode(output: DescMessage, message: Message): Uint8Array;
}

export const CODECS: Readonly<Record<Codec['name'], Codec>> = {
  proto: { name: 'proto', grpcContentType: 'application/grpc', decode: decodeBinary, encode: toBinary },
  json: {
    name: 'json',
    grpcContentType: 'application/grpc+json',
    decode: decodeJson,
    // proto3's JSON leaves out false. A denial must be readable as one.
    encode: (output, message) => Buffer.from(toJsonString(output, message, { alwaysEmitImplicit: true })),
  },
};
