/** What the headers of a request say. */

/** Whether a body is gRPC of protobuf; gRPC-Web and other codecs are not spoken here. */
export const isGrpc = (contentType: string | undefined): boolean =>
  contentType === 'application/grpc' ||
  (contentType !== undefined && /^application\/grpc(?:\+proto)?\s*(?:;|$)/i.test(contentType));
