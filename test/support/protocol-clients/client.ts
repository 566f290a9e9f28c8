/** A caller of the service, and what came of its calls: the same whichever protocol they use. */
import { createRegistry, fromBinary, fromJson, type JsonObject, toBinary, toJson } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { AuthService } from '../../../gen/assent/auth/v1/auth_service_pb.ts';
import { file_google_rpc_error_details } from '../../../gen/google/rpc/error_details_pb.ts';
import { StatusSchema } from '../../../gen/google/rpc/status_pb.ts';

/** The methods of the service, as the API names them. */
export type MethodName =
  | 'VerifyToken'
  | 'CheckPermission'
  | 'BatchCheckPermissions'
  | 'ListPermissions'
  | 'GetUser'
  | 'GetOrganization'
  | 'ListUserOrganizations';

export interface CallOptions {
  readonly metadata?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  /** Ends the call; over HTTP it then rejects. */
  readonly signal?: AbortSignal;
}

/** What came of a call, the same whichever protocol it used. */
export interface Answer {
  /** A name of google.rpc.Code. */
  readonly code: string;
  readonly message: string;
  /** google.rpc details as JSON, each with its `@type` without the host in front. */
  readonly details: readonly JsonObject[];
  /** The message as JSON with every field in it; null when the call failed. */
  readonly response: JsonObject | null;
  /** Metadata that came before the answer. */
  readonly header: (name: string) => string | null;
}

export interface ProtocolClient {
  /** @param request As JSON. */
  call(method: MethodName, request: JsonObject, options?: CallOptions): Promise<Answer>;
  /** @param request As bytes, which need not be a message. */
  send(method: MethodName, request: Uint8Array, options?: CallOptions): Promise<Answer>;
  close(): void;
}

const registry = createRegistry(file_google_rpc_error_details);
const CODES =
  'OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED'.split(
    ' ',
  );

export const codeName = (code: number): string => CODES[code] ?? String(code);
const descriptor = (name: MethodName) => {
  const method = AuthService.methods.find((one) => one.name === name);
  if (method === undefined) throw new Error(`there is no method ${name}`);
  return method;
};
export const encode = (name: MethodName, request: JsonObject): Uint8Array => {
  const { input } = descriptor(name);
  return toBinary(input, fromJson(input, request));
};
export const decode = (name: MethodName, bytes: Uint8Array): JsonObject => {
  const { output } = descriptor(name);
  return toJson(output, fromBinary(output, bytes), { alwaysEmitImplicit: true }) as JsonObject;
};

type Detail = { readonly typeUrl: string; readonly value: Uint8Array };
export const detailJson = ({ typeUrl, value }: Detail): JsonObject => {
  const message = anyUnpack({ $typeName: 'google.protobuf.Any', typeUrl, value }, registry);
  const desc = message === undefined ? undefined : registry.getMessage(message.$typeName);
  if (message === undefined || desc === undefined) throw new Error(`an unknown detail: ${typeUrl}`);
  return { '@type': desc.typeName, ...(toJson(desc, message) as JsonObject) };
};
export const statusDetails = (bytes: Uint8Array | undefined): readonly JsonObject[] =>
  bytes === undefined ? [] : fromBinary(StatusSchema, bytes).details.map(detailJson);

export const ok = (response: JsonObject, header: Answer['header']): Answer => ({
  code: 'OK',
  message: '',
  details: [],
  response,
  header,
});
