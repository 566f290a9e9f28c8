/** The methods that a file of callers can name. Pure. */
import type { DescService } from '@bufbuild/protobuf';
import { AuthService } from '../../gen/assent/auth/v1/auth_service_pb.ts';
import { ServerReflection } from '../../gen/grpc/reflection/v1/reflection_pb.ts';
import { ServerReflection as ServerReflectionAlpha } from '../../gen/grpc/reflection/v1alpha/reflection_pb.ts';

/** `package.Service/Method` of a service that is not served yet: one file can serve replicas of two versions. */
const COMING = ['Watch', 'Prove', 'ReadFacts'].map((method) => `/assent.sync.v1.SyncService/${method}`);

/** The paths of AuthService: the methods of a caller that names none. */
export const API_METHODS: ReadonlySet<string> = new Set(pathsOf(AuthService));

const KNOWN: ReadonlySet<string> = new Set([
  ...API_METHODS,
  ...pathsOf(ServerReflection),
  ...pathsOf(ServerReflectionAlpha),
  ...COMING,
]);

/**
 * The path of a method.
 * @param name A method of AuthService by its own name, any other as `package.Service/Method`.
 * @returns Null for a method that is not known: a misspelt one would be refused without a word.
 */
export function methodPath(name: string): string | null {
  const path = name.includes('/') ? `/${name}` : `/${AuthService.typeName}/${name}`;
  return KNOWN.has(path) ? path : null;
}

function pathsOf({ typeName, methods }: DescService): readonly string[] {
  return methods.map(({ name }) => `/${typeName}/${name}`);
}
