/** Server reflection, v1 and v1alpha, so that grpcurl and `buf curl` need no proto file. */
import { Duplex } from 'node:stream';
import { type DescFile, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import type { Server, UntypedHandleCall, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { EnumTypeDefinition, PackageDefinition } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { file_assent_auth_v1_auth_service } from '../../gen/assent/auth/v1/auth_service_pb.ts';
import { file_google_rpc_error_details } from '../../gen/google/rpc/error_details_pb.ts';
import { file_health_v1_health } from '../../gen/health/v1/health_pb.ts';
import { errorStatus } from '../rpc/errors.ts';
import type { Dispatcher } from './dispatch.ts';
import { grpcError } from './grpc-error.ts';

/** A file after the files that it imports, each once. */
const withImports = (file: DescFile, seen = new Set<DescFile>()): ReadonlySet<DescFile> => {
  for (const dependency of file.dependencies) withImports(dependency, seen);
  return seen.add(file);
};

/** The details of errors too: no message of the API names them, and tools could not read them otherwise. */
const FILES = [file_assent_auth_v1_auth_service, file_health_v1_health, file_google_rpc_error_details];

/**
 * What ReflectionService reads of a package definition: the encoded descriptors, as buf built them and the generated code
 * holds them. Through proto-loader they would lose imports and the names of maps, and clients could not link them.
 */
const packageDefinition = (): PackageDefinition => {
  const files = new Set(FILES.flatMap((file) => [...withImports(file)]));
  const fileDescriptorProtos = [...files].map(({ proto }) => Buffer.from(toBinary(FileDescriptorProtoSchema, proto)));
  const assent: EnumTypeDefinition = {
    format: 'Protocol Buffer 3 EnumDescriptorProto',
    type: {},
    fileDescriptorProtos,
  };
  return { assent };
};

/** A handler of a streaming method, as grpc-js calls it. */
type StreamHandler = (call: {
  readonly metadata: { get(name: string): readonly unknown[] };
  emit(event: 'error', error: unknown): boolean;
}) => void;

/**
 * Hears a caller no faster than it reads. grpc-js keeps what it does not: 250 MB after four seconds of questions. The lean
 * door looks after its own streams.
 */
const waitForReader = (call: unknown): void => {
  if (!(call instanceof Duplex)) return;
  call.on('data', () => {
    if (call.writableNeedDrain) call.pause().once('drain', () => call.resume());
  });
};

const gated = ({ gate, onDefect }: Dispatcher, handler: UntypedHandleCall): UntypedHandleCall => {
  const guarded: StreamHandler = (call) => {
    try {
      gate(call.metadata.get('authorization')[0]?.toString());
    } catch (error) {
      call.emit('error', grpcError(errorStatus(error, onDefect)));
      return;
    }
    (handler as unknown as StreamHandler)(call);
    // Behind the handler's own listener, which writes the answer.
    waitForReader(call);
  };
  return guarded as unknown as UntypedHandleCall;
};

/** Adds the reflection services, for callers that pass the gate. */
export const addReflection = (server: Pick<Server, 'addService'>, dispatcher: Dispatcher): void => {
  new ReflectionService(packageDefinition()).addToServer({
    addService: (service, implementation) => {
      const guarded: UntypedServiceImplementation = Object.fromEntries(
        Object.entries(implementation).map(([name, handler]) => [name, gated(dispatcher, handler)]),
      );
      server.addService(service, guarded);
    },
  });
};
