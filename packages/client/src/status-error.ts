/** From a status of gRPC to the error of the kit. */
import { fromBinary } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { type StatusObject, status } from '@grpc/grpc-js';
import { BadRequestSchema, ErrorInfoSchema } from '../../../gen/google/rpc/error_details_pb.ts';
import { StatusSchema } from '../../../gen/google/rpc/status_pb.ts';
import { AssentError } from './errors.ts';

/** The error of a call that ended with a status other than OK. */
export function errorOfStatus({ code, details, metadata }: StatusObject): AssentError {
  const delay = pushbackMs(metadata);
  return errorOf(code, reasonOf(metadata) ?? status[code] ?? 'UNKNOWN', details, delay);
}

/** @param delayMs When to try again, as the service says; null when it does not. */
export function errorOf(code: number, reason: string, message: string, delayMs: number | null = null): AssentError {
  if (code === status.UNAUTHENTICATED && reason.startsWith('TOKEN_')) {
    return new AssentError('UNAUTHENTICATED', reason, message);
  }
  if (code === status.INVALID_ARGUMENT) {
    const field = reason.replace(/^checks\[\d+\]\./, '');
    if (field === 'token') return new AssentError('UNAUTHENTICATED', 'TOKEN_MALFORMED', message);
    const sentByUser = /^(?:user_?id|organization_?id|email|slug)$/i.test(field);
    return new AssentError(sentByUser ? 'INVALID' : 'MISCONFIGURED', reason, message);
  }
  if (OWN_FAULT.has(code)) return new AssentError('MISCONFIGURED', reason, message);
  const seconds = Math.max(1, Math.ceil((delayMs ?? 0) / 1_000));
  return new AssentError('UNAVAILABLE', reason, message, { retryAfterSeconds: seconds });
}

/** The delay of RetryInfo, which is in this trailer, too; null when there is none. */
export function pushbackMs(metadata: StatusObject['metadata']): number | null {
  const [text] = metadata.get('grpc-retry-pushback-ms');
  const value = Number(text ?? Number.NaN);
  return Number.isFinite(value) && value >= 0 ? value : null;
}

const OWN_FAULT = new Set<number>([status.UNAUTHENTICATED, status.PERMISSION_DENIED, status.UNIMPLEMENTED]);

function reasonOf(metadata: StatusObject['metadata']): string | null {
  const [bytes] = metadata.get('grpc-status-details-bin');
  if (!(bytes instanceof Uint8Array)) return null;
  try {
    for (const detail of fromBinary(StatusSchema, bytes).details) {
      const info = anyUnpack(detail, ErrorInfoSchema);
      if (info !== undefined) return info.reason;
      const [field] = anyUnpack(detail, BadRequestSchema)?.fieldViolations ?? [];
      if (field !== undefined) return field.field;
    }
  } catch {
    // Details of a proxy that are none: the code alone speaks.
  }
  return null;
}
