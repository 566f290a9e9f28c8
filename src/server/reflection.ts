/** Server reflection, v1 and v1alpha, so that grpcurl and `buf curl` need no proto file. */
import {
  create,
  createRegistry,
  type DescFile,
  type DescService,
  type MessageInitShape,
  toBinary,
} from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { file_assent_auth_v1_auth_service } from '../../gen/assent/auth/v1/auth_service_pb.ts';
import { file_google_rpc_error_details } from '../../gen/google/rpc/error_details_pb.ts';
import { file_grpc_health_v1_health } from '../../gen/grpc/health/v1/health_pb.ts';
import {
  file_grpc_reflection_v1_reflection,
  ServerReflection,
  type ServerReflectionRequest,
  ServerReflectionResponseSchema,
} from '../../gen/grpc/reflection/v1/reflection_pb.ts';
import {
  file_grpc_reflection_v1alpha_reflection,
  ServerReflection as ServerReflectionAlpha,
} from '../../gen/grpc/reflection/v1alpha/reflection_pb.ts';
import { Code } from '../rpc/status.ts';
import { MAX_SMALL_MESSAGE_BYTES } from './limits.ts';
import { type Method, methodsOf, type Responses } from './methods.ts';

/** The details of errors too: no message of the API names them, and tools could not read them otherwise. */
const FILES = [
  file_assent_auth_v1_auth_service,
  file_grpc_health_v1_health,
  file_grpc_reflection_v1_reflection,
  file_grpc_reflection_v1alpha_reflection,
  file_google_rpc_error_details,
];

const filesByName = new Map(FILES.flatMap((file) => [...withImports(file)]).map((file) => [file.proto.name, file]));
const types = createRegistry(...filesByName.values());

type MessageResponse = NonNullable<MessageInitShape<typeof ServerReflectionResponseSchema>['messageResponse']>;

/** The methods of both versions. They differ in the name of their package only, so the messages of v1 serve both. */
export function reflectionMethods(): readonly Method[] {
  const rules = { open: false, observed: false, maxRequestBytes: MAX_SMALL_MESSAGE_BYTES };
  const methods = methodsOf(ServerReflection, { serverReflectionInfo }, rules);
  const alpha = methods.map((method) => ({
    ...method,
    path: method.path.replace(ServerReflection.typeName, ServerReflectionAlpha.typeName),
  }));
  return [...methods, ...alpha];
}

function serverReflectionInfo(responses: Responses) {
  return (originalRequest: ServerReflectionRequest): void => {
    const messageResponse = answer(originalRequest);
    responses.send(
      create(ServerReflectionResponseSchema, { validHost: originalRequest.host, originalRequest, messageResponse }),
    );
  };
}

function answer({ messageRequest: { case: kind, value } }: ServerReflectionRequest): MessageResponse {
  switch (kind) {
    case 'listServices':
      return { case: 'listServicesResponse', value: { service: services().map(({ typeName: name }) => ({ name })) } };
    case 'fileByFilename':
      return files(filesByName.get(value));
    case 'fileContainingSymbol':
      return files(fileOf(value));
    case 'allExtensionNumbersOfType':
      // No file here declares an extension.
      return types.getMessage(value) === undefined
        ? notFound()
        : { case: 'allExtensionNumbersResponse', value: { baseTypeName: value, extensionNumber: [] } };
    case 'fileContainingExtension':
      return notFound();
    default:
      return error(Code.INVALID_ARGUMENT, 'The request asks for nothing.');
  }
}

/** The services that a caller may want. Reflection itself is not listed: a tool that lists services has found it. */
function services(): readonly DescService[] {
  return [...file_assent_auth_v1_auth_service.services, ...file_grpc_health_v1_health.services];
}

/** The values of enums by their full names. A value stands beside its enum, not in it. */
const enumValues = new Map(
  [...types].flatMap((type) => {
    if (type.kind !== 'enum') return [];
    const scope = type.typeName.slice(0, type.typeName.lastIndexOf('.') + 1);
    return type.values.map(({ name }) => [`${scope}${name}`, type.file] as const);
  }),
);

/** The file that declares a symbol by its full name: a type, an enum value, or a member of a type. */
function fileOf(symbol: string): DescFile | undefined {
  const parent = symbol.slice(0, Math.max(symbol.lastIndexOf('.'), 0));
  return types.get(symbol)?.file ?? enumValues.get(symbol) ?? types.get(parent)?.file;
}

function files(file: DescFile | undefined): MessageResponse {
  if (file === undefined) return notFound();
  const fileDescriptorProto = [...withImports(file)].map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  return { case: 'fileDescriptorResponse', value: { fileDescriptorProto } };
}

/** A file after the files that it imports, each once. */
function withImports(file: DescFile, seen = new Set<DescFile>()): ReadonlySet<DescFile> {
  for (const dependency of file.dependencies) withImports(dependency, seen);
  return seen.add(file);
}

function notFound(): MessageResponse {
  return error(Code.NOT_FOUND, 'There is no such file, symbol or type.');
}

function error(errorCode: number, errorMessage: string): MessageResponse {
  return { case: 'errorResponse', value: { errorCode, errorMessage } };
}
