/** What the headers of a request say. */

/** Whether a body is gRPC of protobuf; gRPC-Web and other codecs are not spoken here. */
export const isGrpc = (contentType: string | undefined): boolean =>
  contentType === 'application/grpc' ||
  (contentType !== undefined && /^application\/grpc(?:\+proto)?\s*(?:;|$)/i.test(contentType));

const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/** `grpc-timeout` in milliseconds; null when it is not one. */
export const parseTimeout = (text: string): number | null => {
  const match = /^(\d{1,8})([HMSmun])$/.exec(text);
  return match === null ? null : Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? Number.NaN);
};
